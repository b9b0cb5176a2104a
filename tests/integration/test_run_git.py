"""Repositories as they are found: worktrees, submodules, shallow, detached, strange paths; and a
job that uses git leaves the user's own repository as it was, to the byte."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.runs import Repository

TEXT = """\
job:
  script:
    - git rev-parse HEAD; git status --short; git symbolic-ref -q HEAD || echo detached
    - git log -1 --format=%s; git -c user.name=a -c user.email=b commit -q --allow-empty -m mine
    - git gc -q; git tag mine; git branch mine; git log -2 --format=%s; git fsck
"""


def digest(folder: Path) -> dict[str, str]:
    """Every file's content, mode and time of change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path.relative_to(folder))] = (
            f"{hashlib.sha256(content).hexdigest()} {facts.st_mode:o} {facts.st_mtime_ns}"
        )
    return found


def plain(repository: Repository) -> Path:
    return repository.root


def worktree(repository: Repository) -> Path:
    repository.git("worktree", "add", "-q", "../linked tree", "-b", "other")
    return repository.root.parent / "linked tree"


def submodule(repository: Repository) -> Path:
    parent = repository.root.parent / "parent"
    parent.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=parent, env=repository.env, check=True)
    subprocess.run(
        ["git", "-c", "protocol.file.allow=always", "submodule", "-q", "add", repository.root, "s"],
        cwd=parent,
        env=repository.env,
        check=True,
    )
    return parent / "s"


def shallow(repository: Repository) -> Path:
    (repository.root / "more").write_text("")
    repository.commit()
    clone = repository.root.parent / "shallow"
    repository.git("clone", "-q", "--depth=1", f"file://{repository.root}", str(clone))
    return clone


def detached(repository: Repository) -> Path:
    repository.git("checkout", "-q", "--detach")
    return repository.root


def packed(repository: Repository) -> Path:
    repository.git("tag", "-f", "-a", "v1", "-m", "one")
    repository.git("gc", "-q")
    return repository.root


def strange_path(repository: Repository) -> Path:
    return repository.root.rename(repository.root.parent / "a \u00fc'$(x)\"\\ b;#")


def newline_path(repository: Repository) -> Path:
    return repository.root.rename(repository.root.parent / "a\nb")


KINDS = [plain, worktree, submodule, shallow, detached, packed, strange_path, newline_path]


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_uses_git(tmp_path: Path, kind: Callable[[Repository], Path]) -> None:
    repository = Repository(tmp_path / "group/project", TEXT, tmp_path / "home")
    for hook in (
        "pre-commit",
        "post-commit",
        "commit-msg",
        "post-checkout",
        "reference-transaction",
    ):
        path = repository.root / ".git/hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch '{tmp_path}/hook-ran'\n")
        path.chmod(0o755)
    repository.root = kind(repository)
    (tmp_path / "hook-ran").unlink(missing_ok=True)
    sha = repository.git("rev-parse", "HEAD").strip()
    before = digest(tmp_path / "group")
    done = repository.run()
    assert done.status == 0, done
    lines = [line for line in done.log("job").splitlines() if not line.startswith("$ ")]
    assert lines == [sha, "detached", "a commit", "mine", "a commit"][: len(lines)]
    assert lines[-1] == "a commit"
    assert digest(tmp_path / "group") == before
    assert not (tmp_path / "hook-ran").exists()


BOXED = """\
job:
  image: debian:bookworm
  script:
    - git describe --tags; git status --short; git remote -v
    - git -c user.name=a -c user.email=b commit -q --allow-empty -m mine; git tag mine
    - git init -q --template= --bare ../other
    - git push -q --receive-pack='git receive-pack' ../other HEAD:refs/heads/b
    - git fetch -q --upload-pack='git upload-pack' ../other b; git log -2 --format=%s FETCH_HEAD
    - git gc -q; git reset -q --hard v1; git clean -qfdx; git fsck; git rev-parse HEAD
"""


@pytest.mark.engine
@pytest.mark.parametrize("engine", ["docker", "podman"])
@pytest.mark.parametrize("kind", [packed, worktree])
def test_a_container_job_uses_git(
    tmp_path: Path,
    kind: Callable[[Repository], Path],
    engine: str,
    request: pytest.FixtureRequest,
) -> None:
    repository = Repository(tmp_path / "group/project", BOXED, tmp_path / "home")
    repository.on(request.getfixturevalue(f"{engine}_address"))
    repository.git("tag", "-a", "v1", "-m", "one")
    repository.git("remote", "add", "origin", "https://me:secret@example.com/group/project.git")
    repository.root = kind(repository)
    sha = repository.git("rev-parse", "HEAD").strip()
    before = digest(tmp_path / "group")
    done = repository.run()
    assert done.status == 0, done
    lines = [line for line in done.log("job").splitlines() if not line.startswith("$ ")]
    url = "origin\thttps://example.com/group/project.git"
    assert lines == ["v1", f"{url} (fetch)", f"{url} (push)", "mine", "a commit", sha]
    assert digest(tmp_path / "group") == before


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"])
def test_gits_variables_of_the_caller_do_not_lead_astray(tmp_path: Path, name: str) -> None:
    repository = Repository(tmp_path / "group/project", TEXT, tmp_path / "home")
    other = Repository(tmp_path / "other", "other: {script: [x]}\n", tmp_path / "home")
    sha = repository.git("rev-parse", "HEAD").strip()
    value = other.root / (".git" if name == "GIT_DIR" else ".")
    before = digest(tmp_path / "group"), digest(tmp_path / "other")
    done = repository.run(env={name: str(value)})
    assert done.status == 0, done
    assert f"{sha}\n" in done.log("job")
    assert (digest(tmp_path / "group"), digest(tmp_path / "other")) == before


@pytest.mark.parametrize(("commits", "most"), [(1, 4), (2, 5)])
def test_no_more_processes_than_needed(tmp_path: Path, commits: int, most: int) -> None:
    repository = Repository(tmp_path / "group/project", "job: {script: x=1}\n", tmp_path / "home")
    for _ in range(1, commits):
        repository.git("commit", "-q", "--allow-empty", "-m", "another")
    git, calls = shutil.which("git"), tmp_path / "calls"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(f'#!/bin/sh\necho "$*" >> {calls}\nexec {git} "$@"\n')
    (tmp_path / "bin/git").chmod(0o755)
    done = repository.run(env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    assert done.status == 0, done
    assert len(calls.read_text().splitlines()) == most


def test_a_repository_of_another_user(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "group/project", TEXT, tmp_path / "home")
    owner = 12345
    command = ["chown", "-R", str(owner), str(repository.root)]
    subprocess.run(command if os.geteuid() == 0 else ["sudo", "-n", *command], check=True)
    done = repository.run()
    # git refuses it (CVE-2022-24765); so do we, in git's words and with its remedy.
    assert done.status == 3
    assert "dubious ownership" in done.stderr
    assert "safe.directory" in done.stderr
    config = f"[safe]\n\tdirectory = {repository.root}\n"
    (tmp_path / "home/.gitconfig").write_text(config)
    done = repository.run()
    assert done.status == 0, done
    assert "mine\n" in done.log("job")
    subprocess.run(
        [*([] if os.geteuid() == 0 else ["sudo", "-n"]), "chown", "-R", str(os.geteuid()),
         str(repository.root)], check=True,
    )  # fmt: skip
