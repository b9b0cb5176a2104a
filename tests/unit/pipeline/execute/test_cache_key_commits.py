"""`cache:key:files_commits`: the last commits of files, and what is not committed of them."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from homeport.lib.git import GitError
from homeport.pipeline.execute.cache_key import KeySources, compose_key
from homeport.pipeline.model.config import Cache, CacheKey

ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.com",
}


def git(root: Path, *args: str) -> str:
    done = subprocess.run(
        ["git", *args], cwd=root, env=ENV, check=True, text=True, capture_output=True
    )
    return done.stdout.strip()


def commit(root: Path, **files: str) -> str:
    for name, text in files.items():
        (root / name).write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "a commit")
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    (root / "folder").mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    return root


def key(root: Path, *paths: str, committed: bool = False) -> str:
    sources = KeySources(
        root=root,
        files=(),
        repository=root,
        sha=git(root, "rev-parse", "HEAD"),
        committed=committed,
    )
    cache = Cache(key=CacheKey(files_commits=paths, prefix="p"))
    return compose_key(cache, 0, sources, protected=False)


def of(*commits: str) -> str:
    digest = hashlib.sha1("-".join(sorted(set(commits))).encode(), usedforsecurity=False)
    return f"p-{digest.hexdigest()}-non_protected"


def test_the_key_is_that_of_the_last_commits(root: Path) -> None:
    first = commit(root, a="1", b="1", **{"folder/c": "1"})
    second = commit(root, b="2")
    assert key(root, "a") == of(first)
    assert key(root, "b") == of(second)
    assert key(root, "a", "b", "a") == of(first, second)
    assert key(root, "folder") == of(first)
    assert key(root, "absent", " ") == "p-default-non_protected"


CHANGES: dict[str, Callable[[Path], object]] = {
    "changed": lambda root: (root / "a").write_text("2"),
    "changed otherwise": lambda root: (root / "a").write_text("3"),
    "removed": lambda root: (root / "a").unlink(),
    "new in the folder": lambda root: (root / "folder/new").write_text("1"),
    "moved": lambda root: git(root, "mv", "a", "folder/a"),
}


def test_what_is_not_committed_counts(root: Path) -> None:
    clean = commit(root, a="1", **{"folder/c": "1"})
    keys = {key(root, "a", "folder")}
    for change in CHANGES.values():
        change(root)
        keys.add(key(root, "a", "folder"))
        assert key(root, "a", "folder", committed=True) == of(clean)
        git(root, "reset", "-q", "--hard")
        git(root, "clean", "-qfd")
    assert len(keys) == 1 + len(CHANGES)
    (root / "other").write_text("1")
    assert key(root, "a", "folder") == of(clean)


def test_a_repository_that_git_refuses_is_said(root: Path) -> None:
    commit(root, a="1")
    sources = KeySources(root=root, files=(), repository=root, sha="0" * 40, committed=True)
    cache = Cache(key=CacheKey(files_commits=("a",)))
    with pytest.raises(GitError):
        compose_key(cache, 0, sources, protected=False)
