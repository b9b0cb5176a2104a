"""Trees that share their contents, and what comes out of them again."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from homeport.pipeline.execute.container_archive import tree_items
from homeport.pipeline.execute.objects import SMALL, Objects
from homeport.pipeline.execute.state import size_of
from homeport.pipeline.execute.stored_tree import StoredTree, discard, lay_over, move
from testbed.trees import write_into

LARGE = "0123456789abcdef" * (SMALL // 16) + "end"


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects")


def kept(tmp_path: Path, name: str, objects: Objects, *sources: Path) -> Path:
    """A tree of files of this machine, by their names."""
    tree = StoredTree(tmp_path / name, objects)
    for source in sources:
        tree.take(source.name, str(source))
    tree.finish()
    return tmp_path / name


def made(path: Path, text: str, *, mode: int = 0o644, time: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    os.utime(path, (time, time))
    return path


def laid(tmp_path: Path, *trees: Path) -> dict[str, tuple[str, int, int]]:
    target = tmp_path / "laid"
    discard(str(target))
    target.mkdir()
    for tree in trees:
        lay_over(str(tree), str(target))
    return {
        path.name: (
            path.read_text(),
            path.stat().st_mode & 0o777,
            int(path.stat().st_mtime),
        )
        for path in target.iterdir()
    }


@pytest.mark.parametrize("text", ["", "small", LARGE], ids=["empty", "small", "large"])
def test_one_content_is_stored_once_whatever_its_names_modes_and_times(
    tmp_path: Path, objects: Objects, text: str
) -> None:
    first = made(tmp_path / "one/a", text, mode=0o600, time=10)
    second = made(tmp_path / "two/b", text, mode=0o664, time=20)
    one, two = kept(tmp_path, "1", objects, first), kept(tmp_path, "2", objects, second)
    assert (one / "a").samefile(two / "b")
    assert size_of(tmp_path / "objects") == len(text)
    assert laid(tmp_path, one, two) == {"a": (text, 0o600, 10), "b": (text, 0o664, 20)}


def append(path: Path) -> None:
    with path.open("a") as file:
        file.write("more")


@pytest.mark.parametrize("text", ["small", LARGE], ids=["small", "large"])
def test_what_is_laid_out_shares_nothing_with_the_store(
    tmp_path: Path, objects: Objects, text: str
) -> None:
    tree = kept(tmp_path, "1", objects, made(tmp_path / "one/a", text))
    for change in (
        lambda path: path.write_text("other"),
        append,
        lambda path: path.chmod(0o777),
        lambda path: os.truncate(path, 0),
    ):
        assert laid(tmp_path, tree) == {"a": (text, 0o644, 1)}
        change(tmp_path / "laid/a")
    assert laid(tmp_path, tree) == {"a": (text, 0o644, 1)}


@pytest.mark.parametrize("text", ["small", LARGE], ids=["small", "large"])
def test_a_file_that_somebody_has_written_to_is_not_handed_to_others(
    tmp_path: Path, objects: Objects, text: str
) -> None:
    source = made(tmp_path / "one/a", text)
    spoiled = kept(tmp_path, "1", objects, source) / "a"
    spoiled.chmod(0o644)
    spoiled.write_text("X" + text[1:])
    assert laid(tmp_path, kept(tmp_path, "2", objects, source)) == {"a": (text, 0o644, 1)}
    assert laid(tmp_path, kept(tmp_path, "3", objects, source)) == {"a": (text, 0o644, 1)}
    assert (tmp_path / "2/a").samefile(tmp_path / "3/a")


def truncate(path: Path) -> None:
    os.truncate(path, 1)
    os.utime(path, (1_000_000_000, 1_000_000_000))


def replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("text", ["small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "spoil", [append, truncate, replace_by_link, replace_by_folder, Path.unlink]
)
def test_a_tree_that_is_not_as_it_was_written_is_not_handed_on(
    tmp_path: Path, objects: Objects, spoil: Callable[[Path], None], text: str
) -> None:
    source, other = made(tmp_path / "one/a", text), made(tmp_path / "one/b", "other")
    tree = kept(tmp_path, "1", objects, source, other)
    spoil(tree / "a")
    with pytest.raises(OSError, match="it is not as it was written"):
        laid(tmp_path, tree)
    with pytest.raises(OSError, match="it is not as it was written"):
        list(tree_items("x", str(tree)))
    made_anew = kept(tmp_path, "2", objects, source, other)
    assert laid(tmp_path, made_anew)["a"] == (text, 0o644, 1)


def test_an_object_that_cannot_be_read_is_not_used(tmp_path: Path, objects: Objects) -> None:
    source = made(tmp_path / "one/a", "text")
    (kept(tmp_path, "1", objects, source) / "a").chmod(0)
    again = kept(tmp_path, "2", objects, source) / "a"
    assert again.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("time", [-(10**20), 10**20])
def test_a_time_far_away_is_brought_near(tmp_path: Path, objects: Objects, time: int) -> None:
    tree = StoredTree(tmp_path / "1", objects)
    tree.write("a", io.BytesIO(b"text").read, size=4, mode=0o644, time=time)
    tree.finish()
    assert laid(tmp_path, tmp_path / "1")["a"][:2] == ("text", 0o644)


def test_what_no_tree_has_any_more_goes(tmp_path: Path, objects: Objects) -> None:
    shared, own = made(tmp_path / "one/a", "shared"), made(tmp_path / "one/b", "own")
    one, two = kept(tmp_path, "1", objects, shared, own), kept(tmp_path, "2", objects, shared)
    objects.prune()
    assert size_of(tmp_path / "objects") == len("sharedown")
    discard(str(one))
    objects.prune()
    assert size_of(tmp_path / "objects") == len("shared")
    assert laid(tmp_path, two) == {"a": ("shared", 0o644, 1)}


def test_a_program_can_be_run_where_it_is_kept(tmp_path: Path, objects: Objects) -> None:
    plain = made(tmp_path / "one/a", "text")
    program = made(tmp_path / "two/b", "text", mode=0o755)
    tree = kept(tmp_path, "1", objects, plain, program)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tree.iterdir()}
    assert modes == {"a": 0o444, "b": 0o555}


def test_without_hard_links_a_tree_has_files_of_its_own(
    tmp_path: Path, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("homeport.pipeline.execute.objects.os.link", refuse)
    source = made(tmp_path / "one/a", "text")
    trees = [kept(tmp_path, name, objects, source) for name in "12"]
    assert not (trees[0] / "a").samefile(trees[1] / "a")
    assert laid(tmp_path, *trees) == {"a": ("text", 0o644, 1)}


def test_a_content_with_as_many_names_as_may_be_gets_another_file(
    tmp_path: Path, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = made(tmp_path / "one/a", "text")
    first = kept(tmp_path, "1", objects, source) / "a"
    link = os.link

    def full(here: str, there: str) -> None:
        if Path(here).samefile(first):
            raise OSError(31, "Too many links")
        link(here, there)

    monkeypatch.setattr("homeport.pipeline.execute.objects.os.link", full)
    second, third = (kept(tmp_path, name, objects, source) / "a" for name in "23")
    assert not first.samefile(second)
    assert second.samefile(third)


def test_later_entries_replace_earlier_ones(tmp_path: Path, objects: Objects) -> None:
    tree = StoredTree(tmp_path / "1", objects)
    write_into(tree, "a", "file")
    write_into(tree, "a", "again", 0o755)
    write_into(tree, "b", "file")
    tree.folder("b")
    write_into(tree, "b/in", "inside")
    tree.link("c", "elsewhere")
    tree.finish()
    move(str(tmp_path / "1"), str(tmp_path / "2"))
    target = tmp_path / "laid"
    target.mkdir()
    lay_over(str(tmp_path / "2"), str(target))
    assert (target / "a").read_text() == "again"
    assert (target / "a").stat().st_mode & 0o777 == 0o755
    assert (target / "b/in").read_text() == "inside"
    assert str((target / "c").readlink()) == "elsewhere"


def test_any_name_that_a_file_can_have_is_kept(tmp_path: Path, objects: Objects) -> None:
    names = [b"new\nline", b"\xff\xfe", b"-rf", "ü".encode(), b"a" * 255]
    tree = StoredTree(tmp_path / "1", objects)
    for name in names:
        read = io.BytesIO(name).read
        tree.write(os.fsdecode(name), read, size=len(name), mode=0o640, time=5 * 10**9)
    tree.finish()
    target = tmp_path / "laid"
    target.mkdir()
    lay_over(str(tmp_path / "1"), str(target))
    for name in names:
        path = target / os.fsdecode(name)
        assert (path.read_bytes(), int(path.stat().st_mtime)) == (name, 5)
        assert path.stat().st_mode & 0o777 == 0o640
