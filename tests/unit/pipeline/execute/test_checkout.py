"""The forms in which jobs get the sources of one snapshot."""

import os
import subprocess
from pathlib import Path

import pytest

from homeport.lib.git import Git
from homeport.pipeline.execute.api import Stop
from homeport.pipeline.execute.checkout import Checkout, Sources
from homeport.pipeline.execute.environment import Environment
from homeport.pipeline.execute.snapshot import take_snapshot

IDENTITY = ("-c", "user.name=a", "-c", "user.email=b@c")


def git(root: Path, *args: str) -> str:
    done = subprocess.run(["git", *IDENTITY, *args], cwd=root, check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root = tmp_path / "root"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "file").write_text("")
    git(root, "add", "file")
    git(root, "commit", "-qm", "0")
    git(root, "tag", "old")
    for number in range(1, 4):
        git(root, "commit", "-q", "--allow-empty", "-m", str(number))
    git(root, "tag", "new")
    sha = git(root, "rev-parse", "HEAD")
    snapshot = take_snapshot(Git(root), root, sha, into=tmp_path / "git")
    return Checkout(snapshot, root, tmp_path / "sources")


def get(checkout: Checkout, *, packed: bool = False, **variables: str) -> Sources:
    environment = Environment(env=variables, files={}, secrets=frozenset())
    return checkout.get(environment, "/builds/a", packed=packed, warn=lambda _: None, stop=Stop())


def inside(sources: Sources, *args: str) -> str:
    assert sources.snapshot.git is not None
    return git(sources.snapshot.root, f"--git-dir={sources.snapshot.git}", *args)


@pytest.mark.parametrize("strategy", ["none", "empty"])
def test_nothing(checkout: Checkout, strategy: str) -> None:
    found = get(checkout, GIT_STRATEGY=strategy).snapshot
    assert (found.files, found.git) == ((), None)


def test_a_history_that_is_short_enough_is_not_copied(checkout: Checkout) -> None:
    assert get(checkout).snapshot == checkout.snapshot
    assert get(checkout, GIT_DEPTH="4").snapshot == checkout.snapshot


def test_a_cut_history(checkout: Checkout) -> None:
    found = get(checkout, GIT_DEPTH="2")
    assert inside(found, "log", "--format=%s") == "3\n2"
    assert inside(found, "tag", "--list") == "new"
    assert found.snapshot.files == ("file",)
    assert inside(get(checkout), "log", "--format=%s") == "3\n2\n1\n0"
    assert get(checkout, GIT_DEPTH="2").snapshot == found.snapshot


def test_the_history_is_left_to_who_packs_it(checkout: Checkout) -> None:
    assert get(checkout, packed=True, GIT_DEPTH="2").snapshot == checkout.snapshot


def test_a_submodule_whose_name_is_no_utf_8(checkout: Checkout) -> None:
    root = checkout.snapshot.root
    name = os.fsdecode(b"s\xff")
    (root / name).mkdir()
    git(root / name, "init", "-q")
    (root / name / "file").write_text("text")
    git(root / name, "add", "file")
    git(root / name, "commit", "-qm", "inner")
    settings = f'[submodule "{name}"]\n\tpath = {name}\n\turl = ../other\n'
    (root / ".gitmodules").write_bytes(os.fsencode(settings))
    git(root, "add", name, ".gitmodules")
    git(root, "commit", "-qm", "outer")
    again = take_snapshot(Git(root), root, git(root, "rev-parse", "HEAD"), into=root / "../again")
    sources = get(Checkout(again, root, root / "../more"), GIT_SUBMODULE_STRATEGY="normal")
    (tree,) = sources.trees
    assert (tree / name / "file").read_text() == "text"
    assert git(tree / name, "log", "--format=%s") == "inner"


def test_a_repository_without_files(checkout: Checkout) -> None:
    found = get(checkout, GIT_CHECKOUT="false", GIT_DEPTH="1")
    assert found.snapshot.files == ()
    assert inside(found, "log", "--format=%s") == "3"
    assert inside(found, "ls-files") == ""
    assert inside(get(checkout), "ls-files") == "file"
