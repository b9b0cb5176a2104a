"""An engine that sees none of the machine's files: jobs run there all the same."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from homeport.engine.api import ContainerSpec
from homeport.engine.docker import connect
from homeport.engine.options import ContainerOptions
from homeport.pipeline.execute.container_layers import LEAST_FILES
from testbed import engines, images
from testbed.runs import Repository, containers

pytestmark = pytest.mark.engine
TEXT = """\
default: {image: nonroot}
make:
  stage: build
  script: [git rev-parse HEAD, cat file, echo made > made, echo more >> file, id -u]
  artifacts: {paths: [made]}
  cache: {key: k, paths: [made]}
use:
  cache: {key: k, paths: [made], policy: pull}
  script: ['ls many | wc -l; cat file made; ./tool']
"""


@pytest.fixture
def hidden(tmp_path: Path) -> Path:
    """A folder of this machine where the engine sees an empty one."""
    (tmp_path / "hidden").mkdir()
    return tmp_path / "hidden"


@pytest.fixture
def address(hidden: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Docker engine in a mount namespace of its own, with one image."""
    wanted = tuple(image for image in images.IMAGES if "nonroot:latest" in image.names)
    monkeypatch.setattr(images, "IMAGES", wanted)
    monkeypatch.setattr(engines, "_dockerd", _dockerd_without(hidden, engines._dockerd))
    # A cache of its own: the name of the engine that others share is made of this folder.
    with TemporaryDirectory(prefix="hp-", dir="/tmp", ignore_cleanup_errors=True) as cache:
        monkeypatch.setenv("HOMEPORT_TEST_CACHE", cache)
        with engines.private_docker() as address:
            yield address
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        subprocess.run([*as_root, "rm", "-rf", f"{cache}/docker"], check=True)


def _dockerd_without(hidden: Path, dockerd: engines.Command) -> engines.Command:
    inner = 'mount -t tmpfs none "$0" && exec "$@"'
    apart = ["unshare", "--mount", "--propagation=private", "sh", "-c", inner, str(hidden)]

    def command(data: Path, run: Path) -> list[str]:
        words = dockerd(data, run)
        start = words.index("dockerd")
        return [*words[:start], *apart, *words[start:]]

    return command


def test_jobs_run_on_an_engine_that_sees_no_file(hidden: Path, address: str) -> None:
    repository = Repository(hidden / "group/project", TEXT, hidden / "home").on(address)
    (repository.root / "file").write_text("of the tree\n")
    (repository.root / "tool").write_text("#!/bin/sh\necho ran\n")
    (repository.root / "tool").chmod(0o755)
    (repository.root / "many").mkdir()
    for number in range(LEAST_FILES):  # as many as an overlay would be made for
        (repository.root / f"many/{number}").write_text("")
    repository.commit()
    assert not _is_seen(repository.root / "file", address)
    sha = repository.git("rev-parse", "HEAD").strip()
    done = repository.run()
    assert done.status == 0, done
    lines = {
        job: [line for line in done.log(job).splitlines() if not line.startswith("$ ")]
        for job in ("make", "use")
    }
    assert lines["make"][:3] == [sha, "of the tree", "1000"], done
    assert lines["use"][-4:] == ["1000", "of the tree", "made", "ran"], done
    assert (repository.root / "file").read_text() == "of the tree\n"
    assert containers(address, hidden / "home") == []
    assert repository.leftovers() == []
    engine = connect(address)
    assert engine.marked("homeport.run") == ()
    engine.close()


def _is_seen(path: Path, address: str) -> bool:
    engine = connect(address)
    options = ContainerOptions(volumes=(f"{path.parent}:/seen",))
    try:
        container = engine.create(ContainerSpec(image="nonroot", name="looks", options=options))
        found = engine.path_info(container, f"/seen/{path.name}") is not None
        engine.remove(container)
    finally:
        engine.close()
    return found
