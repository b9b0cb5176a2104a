"""How much history comes along, and a repository that works without the user's objects."""

import os
import subprocess
from pathlib import Path

import pytest

from homeport.lib.git import Git
from homeport.pipeline.execute.api import ExecutorError, Snapshot
from homeport.pipeline.execute.container_git import RepositoryPacks, tracked_files
from homeport.pipeline.execute.shallow import cut_history, git_depth
from homeport.pipeline.execute.snapshot import take_snapshot

LINE = {"d": ["c"], "c": ["b"], "b": ["a"], "a": []}
DIAMOND = {"m": ["x", "y"], "x": ["b"], "y": ["z"], "z": ["b"], "b": ["a"], "a": []}


@pytest.mark.parametrize(
    ("parents", "head", "depth", "known", "expected"),
    [
        (LINE, "d", 1, "", ("d", "d")),
        (LINE, "d", 2, "", ("cd", "c")),
        (LINE, "d", 4, "", ("abcd", "")),
        (LINE, "d", 9, "", ("abcd", "")),
        (LINE, "a", 1, "", ("a", "")),
        (DIAMOND, "m", 2, "", ("mxy", "xy")),
        (DIAMOND, "m", 3, "", ("bmxyz", "bz")),
        (DIAMOND, "m", 4, "", ("abmxyz", "")),
        # A repository that is shallow itself, and a walk that was cut short.
        ({"d": ["c"], "c": []}, "d", 9, "c", ("cd", "c")),
        ({"d": ["c"], "c": ["b"]}, "d", 9, "", ("cd", "c")),
    ],
)
def test_history_is_cut_at_a_boundary(
    parents: dict[str, list[str]], head: str, depth: int, known: str, expected: tuple[str, str]
) -> None:
    """`expected` are the commits that come along and the boundary among them."""
    history = cut_history(head, parents, depth, frozenset(known))
    assert (history.commits, history.shallow) == (set(expected[0]), tuple(expected[1]))


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("", 20),
        ("0", 0),
        ("1", 1),
        ("50", 50),
        ("-1", 20),
        ("x", 20),
        ("\u0663", 20),
        ("9" * 9, 20),
    ],
)
def test_git_depth(text: str, depth: int) -> None:
    assert git_depth(text) == depth


def git(root: Path, *args: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    done = subprocess.run(
        ["git", *identity, *args], cwd=root, env=env, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Thirty commits; tags on the 3rd (out of reach by default) and the 26th."""
    folder = tmp_path / "tree"
    folder.mkdir()
    git(folder, "init", "-q")
    for number in range(1, 31):
        (folder / "file").write_text(f"{number}\n")
        git(folder, "add", "file")
        git(folder, "commit", "-qm", f"commit {number}")
        if number in (3, 26):
            git(folder, "tag", f"light-{number}")
            git(folder, "tag", "-am", "words", f"noted-{number}")
    (folder / "staged").write_text("staged\n")
    git(folder, "add", "staged")
    return folder


@pytest.fixture
def snapshot(root: Path, tmp_path: Path) -> Snapshot:
    sha = git(root, "rev-parse", "HEAD")
    return take_snapshot(Git(root), root, sha, into=tmp_path / "snapshot", branch="main")


def unpacked(packs: RepositoryPacks, snapshot: Snapshot, depth: int, into: Path) -> Path:
    """The repository as a container gets it, with the files checked out."""
    assert snapshot.git is not None
    for name, source in packs.items(f"{into}/.git", snapshot.git, depth):
        path = Path(name)
        if source is None or (isinstance(source, str) and Path(source).is_dir()):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source if isinstance(source, bytes) else Path(source).read_bytes())
    for name in snapshot.files:
        (into / name).write_bytes((snapshot.root / name).read_bytes())
    return into


@pytest.mark.parametrize(
    ("depth", "commits", "tags"),
    [
        (20, 20, ["light-26", "noted-26"]),
        (1, 1, []),
        (0, 30, ["light-26", "light-3", "noted-26", "noted-3"]),
        (30, 30, ["light-26", "light-3", "noted-26", "noted-3"]),
    ],
)
def test_the_repository_stands_alone(
    snapshot: Snapshot, tmp_path: Path, depth: int, commits: int, tags: list[str]
) -> None:
    packs = RepositoryPacks()
    work = unpacked(packs, snapshot, depth, tmp_path / "work")
    packs.close()
    snapshot.root.rename(tmp_path / "away")
    git(work, "fsck", "--strict")
    assert git(work, "log", "--format=%s").count("commit ") == commits
    assert git(work, "tag").split() == tags
    assert git(work, "status", "--porcelain") == "A  staged"
    assert git(work, "rev-parse", "origin/main") == git(work, "rev-parse", "HEAD")


def test_a_shallow_repository_stays_shallow(root: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth=5", root.as_uri(), str(clone))
    sha = git(clone, "rev-parse", "HEAD")
    taken = take_snapshot(Git(clone), clone, sha, into=tmp_path / "snapshot")
    packs = RepositoryPacks()
    for depth, commits in ((20, 5), (3, 3), (0, 5)):
        work = unpacked(packs, taken, depth, tmp_path / f"work{depth}")
        git(work, "fsck", "--strict")
        assert git(work, "log", "--format=%s").count("commit ") == commits
    packs.close()


def test_the_pack_is_made_once_and_removed(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs = RepositoryPacks()
    assert snapshot.git is not None
    before = list(snapshot.git.parent.iterdir())
    first = list(packs.items("x", snapshot.git, 20))
    # Not in the system's folder: that may be of another file system, and clean would not find it.
    (pack,) = [source for name, source in first if name.endswith(".pack")]
    assert isinstance(pack, str)
    assert Path(pack).parents[1] == snapshot.git.parent
    monkeypatch.setenv("PATH", "/nonexistent")
    assert list(packs.items("x", snapshot.git, 20)) == first
    packs.close()
    assert list(snapshot.git.parent.iterdir()) == before


def test_a_repository_that_cannot_be_packed_is_one_error(snapshot: Snapshot) -> None:
    assert snapshot.git is not None
    (snapshot.git / "HEAD").write_text("0" * 40 + "\n")
    with pytest.raises(ExecutorError, match="cannot pack the repository: git"):
        list(RepositoryPacks().items("x", snapshot.git, 20))


def test_tracked_files(snapshot: Snapshot, root: Path) -> None:
    assert tracked_files(snapshot) == {"file", "staged"}
    assert tracked_files(None) == frozenset()
    bare = Snapshot(root=root, files=("a",), git=None, objects=None)
    assert tracked_files(bare) == {"a"}
