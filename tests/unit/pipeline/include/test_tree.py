"""The files of a commit, read from git's objects."""

import os
import subprocess
from pathlib import Path

import pytest

from homeport.pipeline.document.limits import Limits
from homeport.pipeline.include.tree import TreeSource


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def git(*args: str) -> None:
        subprocess.run(["git", *args], cwd=tmp_path, env=env, check=True, capture_output=True)

    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    git("init", "-q")
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci/a b.yml").write_text("committed\n")
    (tmp_path / "ci/ä.yml").write_text("umlaut\n")
    (tmp_path / "link.yml").symlink_to("ci/a b.yml")
    git("add", "-A")
    git("-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qm", "c")
    (tmp_path / "ci/a b.yml").write_text("changed\n")
    (tmp_path / "new.yml").write_text("untracked\n")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("ci/a b.yml", b"committed\n"),
        ("ci/ä.yml", b"umlaut\n"),
        ("link.yml", b"ci/a b.yml"),
        ("new.yml", None),
        ("ci", None),
        ("", None),
        ("./ci/a b.yml", None),
        ("ci/../link.yml", None),
        ("/ci/a b.yml", None),
        ("../outside", None),
        ("ci/a b.yml\nHEAD:link.yml", None),
        ("no/such", None),
    ],
)
def test_read(repository: Path, path: str, content: bytes | None) -> None:
    assert TreeSource(repository, "HEAD", listing=tuple).read(path) == content


def test_a_huge_file_is_not_read(repository: Path) -> None:
    source = TreeSource(repository, "HEAD", listing=tuple, limits=Limits(size=4))
    content = source.read("ci/a b.yml")
    assert content is not None
    assert len(content) == 5
    assert content.strip() == b""


def test_paths_are_those_of_the_facts(repository: Path) -> None:
    assert TreeSource(repository, "HEAD", listing=lambda: ("a", "b")).paths() == ("a", "b")
