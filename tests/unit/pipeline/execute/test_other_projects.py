"""Where the artifacts of other projects come from."""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from homeport.errors import MissingError
from homeport.gitlab.api import GitLab
from homeport.gitlab.fetch import Fetcher
from homeport.pipeline.execute.api import ExecutorError
from homeport.pipeline.execute.other_projects import OtherProjects
from homeport.pipeline.execute.state import Run, State
from homeport.pipeline.model.config import CrossNeed
from testbed.gitlab import FakeGitLab, fake_gitlab

ALONE = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": "/nowhere"}
NEED = CrossNeed(project="Group/Sub/Lib", job="build: x", ref="feature/a")
PATH = "/projects/Group/Sub/Lib/jobs/artifacts/feature/a/download"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    state = State(tmp_path / "state", tmp_path / "cache", "/r", kept_runs=5, kept_bytes=10**9)
    opened = state.new_run()
    yield opened
    opened.close()


def zipped(text: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("lib/a.txt", text)
    return out.getvalue()


def others(run: Run, server: Callable[[], GitLab]) -> OtherProjects:
    return OtherProjects(run, mapped={}, checkouts={}, env=ALONE, server=server)


def client(fake: FakeGitLab, token: str) -> GitLab:
    env = {**ALONE, "GITLAB_TOKEN": token}
    fetcher = Fetcher(hosts={}, ca=None, env=env, named=[fake.host])
    return GitLab(f"{fake.url}/api/v4", fetcher, timeout=5)


def test_the_server_is_asked_once_with_the_token(run: Run) -> None:
    with fake_gitlab({PATH: zipped("of the server")}, token="t") as fake:  # noqa: S106
        found = others(run, lambda: client(fake, "t"))
        given = [found.find(NEED), found.find(NEED)]
        [asked] = fake.server.asked
        assert asked.query["job"] == "build: x"
    assert given[0] == given[1]
    assert given[0].artifacts is not None
    assert (given[0].artifacts / "lib/a.txt").read_text() == "of the server"
    assert given[0].artifacts.is_relative_to(run.folder)


@pytest.mark.parametrize("answer", [b"no archive", zipped("x")[:-30]], ids=["none", "cut"])
def test_an_answer_that_is_no_archive_is_said(run: Run, answer: bytes) -> None:
    with (
        fake_gitlab({PATH: answer}, token="t") as fake,  # noqa: S106 - a test's
        pytest.raises(ExecutorError, match="cannot unpack the artifacts of build: x"),
    ):
        others(run, lambda: client(fake, "t")).find(NEED)
    assert list((run.folder / "needs").iterdir()) == []


def test_a_refusal_says_what_to_do(run: Run) -> None:
    with (
        fake_gitlab({}, token="t") as fake,  # noqa: S106 - a test's
        pytest.raises(ExecutorError, match=r"status 40[14].*--needs-artifacts") as caught,
    ):
        others(run, lambda: client(fake, "wrong")).find(NEED)
    assert "wrong" not in str(caught.value)


def test_no_server_is_a_reason(run: Run) -> None:
    def none() -> GitLab:
        raise MissingError.of("no remote names a GitLab server to ask", code="no-remote")

    with pytest.raises(ExecutorError, match=r"no remote names .*--needs-artifacts"):
        others(run, none).find(NEED)
