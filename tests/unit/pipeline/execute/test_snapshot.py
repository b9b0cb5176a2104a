import os
import subprocess
from pathlib import Path

import pytest

from homeport.errors import MissingError
from homeport.lib.git import Git
from homeport.pipeline.execute.api import Snapshot
from homeport.pipeline.execute.snapshot import (
    git_environment,
    take_snapshot,
    without_credentials,
)
from homeport.pipeline.execute.workspace import lay_out

ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "LC_ALL": "C",
}


def git(root: Path, *args: str) -> str:
    return subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *args],
        cwd=root,
        env=ENV,
        check=True,
        text=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    ).stdout


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def state_of(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "tracked").write_text("one\n")
    (root / "removed").write_text("one\n")
    (root / ".gitignore").write_text("*.log\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    git(root, "tag", "v1")
    git(root, "tag", "-a", "v2", "-m", "annotated")
    return root


def workspace(
    root: Path, tmp_path: Path, *, branch: str | None = "main", origin: str | None = None
) -> tuple[Snapshot, Path]:
    sha = git(root, "rev-parse", "HEAD").strip()
    into = tmp_path / "prepared"
    taken = take_snapshot(Git(root), root, sha, into=into, branch=branch, origin=origin)
    target = tmp_path / "ws"
    lay_out(taken, str(target))
    return taken, target


def test_files_are_tracked_and_untracked_without_ignored_and_deleted(
    repository: Path, tmp_path: Path
) -> None:
    (repository / "tracked").write_text("two\n")
    (repository / "removed").unlink()
    (repository / "new file\n").write_text("new")
    (repository / "ignored.log").write_text("")
    _, target = workspace(repository, tmp_path)
    assert names(target) == [".git", ".gitignore", "new file\n", "tracked"]
    assert (target / "tracked").read_text() == "two\n"
    assert git(target, "status", "--porcelain", "-z") == " D removed\0 M tracked\0?? new file\n\0"


def test_a_copy_does_not_change_with_the_tree(repository: Path, tmp_path: Path) -> None:
    (repository / "removed").unlink()
    (repository / "tool").write_text("#!/bin/sh\n")
    (repository / "tool").chmod(0o755)
    (repository / "link").symlink_to("tracked")
    sha = git(repository, "rev-parse", "HEAD").strip()
    taken = take_snapshot(
        Git(repository), repository, sha, into=tmp_path / "git", tree=tmp_path / "tree"
    )
    (repository / "tracked").write_text("edited\n")
    (repository / "tool").unlink()
    (repository / "removed").write_text("back\n")
    lay_out(taken, str(tmp_path / "ws"))
    assert names(tmp_path / "ws") == [".git", ".gitignore", "link", "tool", "tracked"]
    assert (tmp_path / "ws/tracked").read_text() == "one\n"
    assert os.access(tmp_path / "ws/tool", os.X_OK)
    assert (tmp_path / "ws/link").readlink() == Path("tracked")


def test_a_file_that_cannot_be_copied_is_named(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise PermissionError(13, "Permission denied", "tracked")

    monkeypatch.setattr("homeport.pipeline.execute.workspace.copy_entry", refuse)
    sha = git(repository, "rev-parse", "HEAD").strip()
    with pytest.raises(MissingError, match="tracked: Permission denied"):
        take_snapshot(
            Git(repository), repository, sha, into=tmp_path / "git", tree=tmp_path / "tree"
        )


def test_the_workspace_is_a_working_repository(repository: Path, tmp_path: Path) -> None:
    url = "https://user:secret@example.com/group/name.git"
    _, target = workspace(repository, tmp_path, origin=url)
    sha = git(repository, "rev-parse", "HEAD")
    assert git(target, "rev-parse", "HEAD") == sha
    assert git(target, "rev-parse", "--abbrev-ref", "HEAD") == "HEAD\n"
    assert git(target, "rev-parse", "origin/main") == sha
    assert git(target, "tag") == "v1\nv2\n"
    assert git(target, "describe", "--tags") == "v2\n"
    assert git(target, "remote", "get-url", "origin") == "https://example.com/group/name.git\n"
    assert git(target, "status", "--porcelain") == ""
    assert git(target, "fsck") == ""
    assert "secret" not in (target / ".git/config").read_text()


def test_git_in_the_job_leaves_the_users_repository_alone(repository: Path, tmp_path: Path) -> None:
    hook = repository / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch ran; exit 1\n")
    hook.chmod(0o755)
    before = state_of(repository)
    _, target = workspace(repository, tmp_path)
    (target / "tracked").write_text("in the job\n")
    git(target, "commit", "-q", "-am", "in the job")
    git(target, "tag", "made-in-job")
    git(target, "checkout", "-q", "-b", "other")
    git(target, "gc", "-q")
    assert state_of(repository) == before
    assert not (target / "ran").exists()


def test_remote_branches_and_loose_and_packed_refs(repository: Path, tmp_path: Path) -> None:
    git(repository, "update-ref", "refs/remotes/origin/topic", "HEAD")
    git(repository, "pack-refs", "--all")
    git(repository, "update-ref", "refs/remotes/origin/later", "HEAD")
    git(repository, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/topic")
    _, target = workspace(repository, tmp_path)
    assert git(target, "branch", "-r", "--format=%(refname:short)").split() == [
        "origin/later",
        "origin/main",
        "origin/topic",
    ]


def test_a_linked_worktree(repository: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(repository, "worktree", "add", "-q", "-b", "side", str(linked))
    (linked / "staged").write_text("x")
    git(linked, "add", "staged")
    taken, target = workspace(linked, tmp_path, branch="side")
    assert taken.objects == repository / ".git/objects"
    assert git(target, "status", "--porcelain") == "A  staged\n"
    assert git(target, "log", "--format=%s") == "first\n"


def test_a_submodule_is_an_empty_folder_and_can_itself_be_the_root(
    repository: Path, tmp_path: Path
) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    git(parent, "init", "-q", "-b", "main")
    git(parent, "submodule", "--quiet", "add", str(repository), "sub")
    git(parent, "commit", "-q", "-m", "with a submodule")
    _, target = workspace(parent, tmp_path)
    assert names(target / "sub") == []
    assert git(target, "ls-files", "-s", "sub").startswith("160000 ")

    inner = tmp_path / "inner"
    inner.mkdir()
    _, target = workspace(parent / "sub", inner)
    assert git(target, "log", "--format=%s") == "first\n"
    assert (target / "tracked").read_text() == "one\n"


def test_a_shallow_clone(repository: Path, tmp_path: Path) -> None:
    git(repository, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", "shallow")
    _, target = workspace(tmp_path / "shallow", tmp_path)
    assert git(target, "log", "--format=%s") == "second\n"


def test_borrowed_objects_are_found_along_the_chain(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--shared", repository.name, "one")
    git(tmp_path, "clone", "-q", "--shared", "one", "two")
    alternates = tmp_path / "two/.git/objects/info/alternates"
    alternates.write_text("../../../one/.git/objects\n")
    _, target = workspace(tmp_path / "two", tmp_path)
    assert git(target, "log", "--format=%s") == "first\n"


def test_a_path_with_quotes(repository: Path, tmp_path: Path) -> None:
    moved = tmp_path / '"odd" n\u00e4me'
    repository.rename(moved)
    git(tmp_path, "clone", "-q", "--shared", str(moved), "two")
    _, target = workspace(tmp_path / "two", tmp_path)
    assert git(target, "log", "--format=%s") == "first\n"


def test_a_partial_clone_is_noted(repository: Path, tmp_path: Path) -> None:
    git(repository, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", f"file://{repository}", "part")
    taken, target = workspace(tmp_path / "part", tmp_path, origin="https://example.com/g/n.git")
    assert taken.notes == ("the repository is a partial clone: git in a job may lack objects",)
    assert git(target, "log", "--format=%s") == "first\n"


def test_a_sha256_repository(tmp_path: Path) -> None:
    root = tmp_path / "repo256"
    root.mkdir()
    git(root, "init", "-q", "-b", "main", "--object-format=sha256")
    (root / "a").write_text("a")
    git(root, "add", "a")
    git(root, "commit", "-q", "-m", "first")
    _, target = workspace(root, tmp_path)
    assert git(target, "status", "--porcelain") == ""
    assert git(target, "log", "--format=%s") == "first\n"


def test_a_split_index(repository: Path, tmp_path: Path) -> None:
    git(repository, "update-index", "--split-index")
    _, target = workspace(repository, tmp_path)
    assert git(target, "status", "--porcelain") == ""


def test_a_hostile_configuration_runs_nothing(repository: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    for key in ("core.fsmonitor", "core.sshCommand", "diff.external"):
        git(repository, "config", key, f"touch {mark}")
    git(repository, "config", "core.worktree", "/")
    _, target = workspace(repository, tmp_path)
    assert not mark.exists()
    assert names(target) == [".git", ".gitignore", "removed", "tracked"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com/a.git", "https://example.com/a.git"),
        ("https://user:pw@example.com/a.git", "https://example.com/a.git"),
        ("https://token@example.com:8443/a.git", "https://example.com:8443/a.git"),
        ("HTTP://u:p@w@example.com/a", "HTTP://example.com/a"),
        ("https://example.com/a@b", "https://example.com/a@b"),
        ("git@example.com:group/a.git", "git@example.com:group/a.git"),
        ("ssh://git@example.com/a.git", "ssh://git@example.com/a.git"),
        ("ssh://git:pw@example.com/a.git", "ssh://git@example.com/a.git"),
        ("/some/folder", "/some/folder"),
    ],
)
def test_urls_lose_their_credentials(url: str, expected: str) -> None:
    assert without_credentials(url) == expected


@pytest.mark.parametrize(
    ("env", "number"),
    [({}, 0), ({"GIT_CONFIG_COUNT": "2"}, 2), ({"GIT_CONFIG_COUNT": "many"}, 0)],
)
def test_the_workspace_is_trusted_beside_the_users_own_settings(
    env: dict[str, str], number: int
) -> None:
    assert git_environment(env, "/builds/a") == {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": "safe.directory",
        f"GIT_CONFIG_VALUE_{number}": "/builds/a",
    }
