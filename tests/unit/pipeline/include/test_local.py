"""The working tree as a source of files: what can be read, and what never can."""

import os
from pathlib import Path

import pytest

from homeport.pipeline.document.limits import Limits
from homeport.pipeline.include.local import WorktreeSource


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside.yml").write_text("secret: 1")
    root = tmp_path / "repository"
    (root / "ci").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / ".git/config").write_text("secret")
    (root / "ci/a.yml").write_text("a: 1")
    (root / "ci/inside.yml").symlink_to("a.yml")
    (root / "ci/outside.yml").symlink_to(tmp_path / "outside.yml")
    (root / "ci/git.yml").symlink_to("../.git/config")
    (root / "ci/loop.yml").symlink_to("loop.yml")
    (root / "up").symlink_to("..")
    os.mkfifo(root / "ci/pipe.yml")
    (tmp_path / "repository-twin").mkdir()
    (tmp_path / "repository-twin/a.yml").write_text("secret: 2")
    (root / "twin.yml").symlink_to("../repository-twin/a.yml")
    return root


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("ci/a.yml", b"a: 1"),
        ("ci/inside.yml", b"a: 1"),
        ("ci/none.yml", None),
        ("ci", None),
        ("", None),
        (".", None),
        ("../outside.yml", None),
        ("ci/../ci/a.yml", None),
        ("ci//a.yml", None),
        ("/etc/hostname", None),
        ("ci/outside.yml", None),
        ("up/outside.yml", None),
        ("twin.yml", None),
        ("ci/git.yml", None),
        (".git/config", None),
        ("ci/loop.yml", None),
        ("ci/pipe.yml", None),
        ("ci/a.yml\0", None),
        ("ci/a.yml/x", None),
        ("x" * 5000, None),
    ],
)
def test_read(root: Path, path: str, content: bytes | None) -> None:
    assert WorktreeSource(root).read(path) == content


def test_a_huge_file_is_not_read_whole(root: Path) -> None:
    (root / "huge.yml").write_bytes(b"#" * 100)
    source = WorktreeSource(root, limits=Limits(size=10))
    assert source.read("huge.yml") == b"#" * 11


def test_paths_are_those_of_the_tree_without_git(root: Path) -> None:
    paths = WorktreeSource(root).paths()
    assert "ci/a.yml" in paths
    assert not [path for path in paths if path.startswith((".git", "up/"))]


def test_paths_come_from_the_listing_and_only_once(root: Path) -> None:
    calls = []

    def listing() -> tuple[str, ...]:
        calls.append(1)
        return ("b.yml",)

    source = WorktreeSource(root, listing=listing)
    assert calls == []
    assert source.paths() == source.paths() == ("b.yml",)
    assert calls == [1]
