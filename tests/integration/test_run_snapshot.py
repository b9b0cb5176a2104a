"""One snapshot for a run: nobody's later edits change it, neither the user's nor a job's."""

import time
from pathlib import Path

import pytest
from tests.integration.test_run_git import digest

from testbed.runs import Repository

pytestmark = pytest.mark.engine
EDITED = """\
default: {image: "debian:bookworm"}
first: {script: [echo ready, sleep 1.5]}
second:
  stage: deploy
  retry: 1
  script:
    - cat kept gone; ls; git status --short
    - exit $((2 - ${CI_JOB_ATTEMPT:-2}))
"""
SPOILED = """\
default: {image: "debian:bookworm"}
make:
  stage: build
  script: [mkdir out, echo made > out/made, chmod 755 out/made]
  artifacts: {paths: [out]}
  cache: {key: k, paths: [kept]}
.sums: &sums
  - find . -path ./.git -prune -o -type f -print | sort | xargs sha256sum
  - find . -path ./.git -prune -o -type f -perm -100 -print | sort; git fsck; git log --format=%s
spoil:
  cache: {key: k, paths: [kept], policy: pull}
  script:
    - find . -type f -exec chmod 777 {} +
    - find . -type f -exec sh -c 'for f; do echo spoiled >> "$f"; done' sh {} +
    - find . -type f -exec sh -c 'for f; do echo spoiled > "$f"; done' sh {} +
    - find . -type f -exec chmod 000 {} +
    - find . -type f -exec rm -f {} +
    - rm -rf ./* .git .gitlab-ci.yml
beside: {script: [sleep 1, *sums]}
after: {stage: deploy, script: [*sums]}
"""


@pytest.fixture(params=["shell", "docker", "podman"])
def address(request: pytest.FixtureRequest) -> str | None:
    if request.param == "shell":
        return None
    return str(request.getfixturevalue(f"{request.param}_address"))


def make(tmp_path: Path, text: str, address: str | None) -> Repository:
    repository = Repository(tmp_path / "group/project", text, tmp_path / "home").on(address)
    if address is None:
        repository.env["HOMEPORT_EXECUTOR"] = "shell"
    (repository.root / "kept").write_text("as it was\n")
    (repository.root / "gone").write_text("still here\n")
    (repository.root / "tool").write_text("#!/bin/sh\n")
    (repository.root / "tool").chmod(0o755)
    repository.commit()
    return repository


def test_what_the_user_edits_meanwhile_changes_nothing(tmp_path: Path, address: str | None) -> None:
    repository = make(tmp_path, EDITED, address)
    (repository.root / "tool").unlink()
    (repository.root / "untracked").write_text("")
    started = repository.start("run", "--json")
    repository.wait_for("ready")
    (repository.root / "kept").write_text("edited\n")
    (repository.root / "gone").unlink()
    (repository.root / "tool").write_text("back\n")
    (repository.root / "new").write_text("new\n")
    done = started.end()
    assert done.status == 0, done
    lines = [line for line in done.log("second").splitlines() if not line.startswith("$ ")]
    seen = ["as it was", "still here", "gone", "kept", "untracked", " D tool", "?? untracked"]
    assert lines == seen
    assert repository.leftovers() == []


def test_a_job_that_spoils_its_workspace_spoils_no_other(
    tmp_path: Path, address: str | None
) -> None:
    repository = make(tmp_path, SPOILED, address)
    before = digest(repository.root)
    done = repository.run("--concurrency", "2")
    assert done.status == 0, done
    beside, after = (
        [line for line in done.log(job).splitlines() if not line.startswith("$ ")]
        for job in ("beside", "after")
    )
    assert beside == after
    assert "./tool" in after
    assert "./out/made" in after
    assert after[-2:] == ["a commit", "a commit"]
    assert len(after) == 5 + 2 + 2
    (artifacts,) = repository.state.glob("*/runs/*/artifacts/make/out/made")
    assert artifacts.read_text() == "made\n"
    (cached,) = (repository.home / ".cache/homeport").glob("*/cache/*/*/**/kept")
    assert cached.read_text() == "as it was\n"
    assert digest(repository.root) == before
    assert repository.leftovers() == []


def test_a_single_job_reads_the_tree_where_it_is(tmp_path: Path) -> None:
    """Its workspace is the one copy; more would cost time and room."""
    repository = make(tmp_path, "job: {script: [echo ready, sleep 1.5]}\n", None)
    started = repository.start("run", "--json")
    repository.wait_for("ready")
    time.sleep(0.1)
    copies = [*repository.state.glob("*/builds/*/**/kept")]
    done = started.end()
    assert done.status == 0, done
    assert len(copies) == 1
