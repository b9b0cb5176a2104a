"""How often an engine is asked for what a job is: each call costs time, on a remote engine most."""

import os
import re
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from testbed.engine_proxy import Proxy
from testbed.runs import Repository

pytestmark = pytest.mark.engine
ONE = "job:\n  image: alpine\n  script: [echo hello]\n"
TWO = f"{ONE}\nanother:\n  image: alpine\n  script: [echo hello]\n"
PER_RUN = Counter(
    {
        "GET /_ping": 1,
        "GET /images/alpine/json": 1,
        # What an earlier run left, and what this one could have.
        "GET /containers/json": 2,
        "GET /networks": 1,
        "GET /volumes": 1,
    }
)
# Docker as root: whether it sees our files is asked once; then a volume takes the archive's place.
SEEN_PER_RUN = Counter({"GET /containers/ID/archive": 1, "GET /volumes": 1})
SEEN_PER_JOB = Counter(
    {"POST /volumes/create": 1, "PUT /containers/ID/archive": -1, "DELETE /volumes/NAME": 1}
)
PER_JOB = Counter(
    {
        "POST /containers/create": 1,
        "PUT /containers/ID/archive": 1,
        "POST /containers/ID/attach": 1,
        "POST /containers/ID/start": 1,
        "POST /containers/ID/wait": 1,
        "DELETE /containers/ID": 1,
    }
)


@pytest.mark.parametrize("name", ["docker", "podman"])
@pytest.mark.parametrize(("text", "jobs"), [(ONE, 1), (TWO, 2)])
def test_a_trivial_job_is_few_calls_of_the_engine(
    tmp_path: Path, request: pytest.FixtureRequest, name: str, text: str, jobs: int
) -> None:
    address = str(request.getfixturevalue(f"{name}_address"))
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        proxy = Proxy(Path(short, "engine"), address.removeprefix("unix://"))
        repository = Repository(tmp_path / "p", text, tmp_path / "home")
        done = repository.on(f"unix://{short}/engine").run("--concurrency", "1")
        proxy.close()
    assert done.status == 0, done
    asked = Counter(_simple(call) for call in proxy.calls)
    seen = name == "docker" and os.geteuid() == 0
    expected = PER_RUN + SEEN_PER_RUN if seen else PER_RUN.copy()
    for _ in range(jobs):
        expected.update(PER_JOB)
        expected.update(SEEN_PER_JOB if seen else {})
    assert asked == +expected


def _simple(call: str) -> str:
    return re.sub(r"/volumes/homeport-\S+", "/volumes/NAME", re.sub(r"[0-9a-f]{64}", "ID", call))
