"""The snapshot of a commit: its files and its own index, whatever the working tree is like."""

import os
import subprocess
from pathlib import Path

import pytest

from homeport.lib.git import Git
from homeport.pipeline.execute.api import Snapshot
from homeport.pipeline.execute.snapshot import take_snapshot
from homeport.pipeline.execute.workspace import lay_out

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
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits, and a working tree in which everything is different."""
    root = tmp_path / "repo"
    (root / "sub").mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    (root / "file").write_text("one\n")
    (root / "sub/tool").write_text("#!/bin/sh\n")
    (root / "sub/tool").chmod(0o755)
    (root / "link").symlink_to("file")
    (root / "left-out").write_text("x\n")
    (root / ".gitattributes").write_text("left-out export-ignore\n*.x filter=evil\n")
    (root / "a.x").write_text("plain\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    (root / "file").write_text("two\n")
    git(root, "commit", "-qam", "two")
    (root / "file").write_text("changed\n")
    (root / "staged").write_text("staged\n")
    git(root, "add", "staged")
    (root / "untracked").write_text("untracked\n")
    (root / "sub/tool").unlink()
    return root


def take(root: Path, revision: str, tmp_path: Path) -> Snapshot:
    sha = git(root, "rev-parse", revision).strip()
    return take_snapshot(
        Git(root),
        root,
        sha,
        into=tmp_path / "git",
        branch="main",
        tree=tmp_path / "tree",
        committed=True,
    )


@pytest.mark.parametrize(("revision", "content"), [("HEAD", "two\n"), ("HEAD~1", "one\n")])
def test_the_files_are_the_commit_s(
    repository: Path, tmp_path: Path, revision: str, content: str
) -> None:
    before = git(repository, "status", "--porcelain")
    snapshot = take(repository, revision, tmp_path)
    assert set(snapshot.files) == {
        ".gitattributes", "a.x", "file", "left-out", "link", "sub/tool"
    }  # fmt: skip
    assert snapshot.root == tmp_path / "tree"
    assert (snapshot.root / "file").read_text() == content
    assert (snapshot.root / "link").readlink() == Path("file")
    assert os.access(snapshot.root / "sub/tool", os.X_OK)
    assert git(repository, "status", "--porcelain") == before


def test_the_workspace_is_clean(repository: Path, tmp_path: Path) -> None:
    snapshot = take(repository, "HEAD~1", tmp_path)
    workspace = tmp_path / "builds/project"
    lay_out(snapshot, workspace)
    assert git(workspace, "status", "--porcelain") == ""
    assert git(workspace, "rev-parse", "HEAD") == git(repository, "rev-parse", "HEAD~1")


def test_no_filter_of_the_repository_runs(repository: Path, tmp_path: Path) -> None:
    git(repository, "config", "filter.evil.smudge", f"touch {tmp_path}/canary")
    git(repository, "config", "filter.evil.required", "true")
    snapshot = take(repository, "HEAD", tmp_path)
    assert (snapshot.root / "a.x").read_text() == "plain\n"
    assert not (tmp_path / "canary").exists()
