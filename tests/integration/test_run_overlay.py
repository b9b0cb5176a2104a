"""Workspaces on an engine of this machine: folders and overlays, and what is left of them."""

import os
import signal
from pathlib import Path

import pytest
from tests.integration.test_run_git import digest

from homeport.engine.docker import connect
from homeport.pipeline.execute.container_layers import LEAST_FILES
from testbed.runs import Repository, wait_until

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="overlays are for root"),
]
TEXT = """\
default: {image: nonroot}
one:
  stage: build
  script:
    - id -u; awk '$2 == "/builds" {print $3}' /proc/mounts; ls many | wc -l; cat file; ./tool
    - echo changed > file; rm -r many; echo new > new; rm -rf .git; echo made > made
  artifacts: {paths: [made, file]}
two:
  needs: []
  script: ['cat file; ls many | wc -l; git status --short; git log --format=%s', '[ ! -e new ]']
three: {stage: deploy, script: [cat file made; ls many | wc -l; git status --short]}
"""
SLEEPS = "job: {image: nonroot, script: [echo ready, sleep 60]}\n"


def make(tmp_path: Path, text: str, address: str, files: int = LEAST_FILES) -> Repository:
    repository = Repository(tmp_path / "group/project", text, tmp_path / "home").on(address)
    (repository.root / "many").mkdir()
    for number in range(files):
        (repository.root / f"many/{number}").write_text("")
    (repository.root / "file").write_text("of the tree\n")
    (repository.root / "tool").write_text("#!/bin/sh\necho ran\n")
    (repository.root / "tool").chmod(0o755)
    repository.commit()
    return repository


def lines(log: str) -> list[str]:
    return [line for line in log.splitlines() if not line.startswith("$ ")]


def volumes(address: str, repository: Repository) -> list[str]:
    """The engine's volumes of runs whose state is this repository's."""
    engine = connect(address)
    try:
        return [
            found.name
            for found in engine.marked("homeport.run")
            if found.kind == "volume" and f"{repository.home}/" in found.labels["homeport.state"]
        ]
    finally:
        engine.close()


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_jobs_of_a_big_tree(tmp_path: Path, engine: str, request: pytest.FixtureRequest) -> None:
    address = str(request.getfixturevalue(f"{engine}_address"))
    repository = make(tmp_path, TEXT, address)
    before = digest(repository.root)
    done = repository.run()
    assert done.status == 0, done
    # Podman mounts a volume only when the container starts: so there it is a tar stream.
    mounted = ["overlay"] if engine == "docker" else []
    assert lines(done.log("one")) == ["1000", *mounted, "1000", "of the tree", "ran"]
    assert lines(done.log("two")) == ["of the tree", "1000", "a commit", "a commit"]
    assert lines(done.log("three")) == ["changed", "made", "1000", " M file", "?? made"]
    assert digest(repository.root) == before
    assert volumes(address, repository) == []
    assert repository.leftovers() == []


def test_a_small_tree_is_in_a_folder_of_each_job(tmp_path: Path, docker_address: str) -> None:
    repository = make(tmp_path, TEXT, docker_address, files=3)
    before = digest(repository.root)
    done = repository.run()
    assert done.status == 0, done
    (mounted,) = lines(done.log("one"))[1:2]
    assert lines(done.log("one")) == ["1000", mounted, "3", "of the tree", "ran"]
    assert mounted != "overlay"
    assert digest(repository.root) == before
    assert volumes(docker_address, repository) == []
    assert repository.leftovers() == []


def test_folders_of_an_overlay_can_be_renamed(tmp_path: Path, docker_address: str) -> None:
    """By rename(2), as programs do it; mv would copy."""
    text = "job: {image: debian, script: [git mv many more, ls more | wc -l]}\n"
    done = make(tmp_path, text, docker_address).run()
    assert done.status == 0, done
    assert lines(done.log("job"))[-1] == "1000"


@pytest.mark.parametrize("cleaned_by", ["clean", "run"])
def test_what_a_killed_run_left_is_removed(
    tmp_path: Path, docker_address: str, cleaned_by: str
) -> None:
    repository = make(tmp_path, SLEEPS, docker_address)
    started = repository.start("run", "--json")
    repository.wait_for("ready")
    started.signal(signal.SIGKILL)
    started.process.communicate()
    assert len(volumes(docker_address, repository)) == 1
    assert repository.leftovers() != []
    (repository.root / ".gitlab-ci.yml").write_text(SLEEPS.replace("sleep 60", "'true'"))
    done = repository.start(cleaned_by).end()
    assert done.status == 0, done
    wait_until(lambda: volumes(docker_address, repository) == [], "a volume is left")
    assert repository.leftovers() == []
    mounts = Path("/proc/mounts").read_text()
    assert str(repository.home) not in mounts
