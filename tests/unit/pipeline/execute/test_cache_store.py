"""Where caches are kept: whole versions, those in use kept, the rest bounded."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from homeport.pipeline.execute.cache_store import (
    BrokenCacheError,
    CacheStore,
    Info,
    Lease,
    TooLargeError,
)
from homeport.pipeline.execute.state import size_of
from homeport.pipeline.execute.stored_tree import StoredTree
from homeport.pipeline.execute.workspace import remove
from testbed.trees import write_into


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "homeport" / "key" / "cache"


@pytest.fixture
def store(folder: Path) -> CacheStore:
    return CacheStore(folder, 1000)


def filled(**files: str) -> Callable[[StoredTree], None]:
    def fill(tree: StoredTree) -> None:
        for name, text in files.items():
            write_into(tree, name, text)

    return fill


def found(store: CacheStore, name: str) -> Lease:
    lease = store.find(name)
    assert lease is not None
    return lease


def content(store: CacheStore, name: str) -> dict[str, str] | None:
    lease = store.find(name)
    if lease is None:
        return None
    kept = {path.name: path.read_text() for path in lease.tree.iterdir()}
    lease.close()
    return kept


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def leftovers(folder: Path) -> list[str]:
    return names(folder / ".partial")


def test_what_is_kept_is_found(store: CacheStore) -> None:
    assert content(store, "a") is None
    assert store.keep("a", filled(x="1", y="22")) == Info(entries=2, size=3)
    assert content(store, "a") == {"x": "1", "y": "22"}
    assert content(store, "b") is None


def test_a_new_version_replaces_the_old_one(store: CacheStore, folder: Path) -> None:
    for number in range(12):
        store.keep("a", filled(**{f"f{number}": "1"}))
    assert content(store, "a") == {"f11": "1"}
    assert len(names(folder / "a")) == 1
    assert leftovers(folder) == []


def test_nothing_to_keep_leaves_what_is_there(store: CacheStore, folder: Path) -> None:
    store.keep("a", filled(x="1"))
    assert store.keep("a", filled()) is None
    assert content(store, "a") == {"x": "1"}
    assert leftovers(folder) == []


def test_a_failure_leaves_what_is_there(store: CacheStore, folder: Path) -> None:
    def full(tree: Path) -> int:
        filled(x="2")(tree)
        raise OSError(errno.ENOSPC, "No space left on device")

    store.keep("a", filled(x="1"))
    with pytest.raises(OSError, match="No space left"):
        store.keep("a", full)
    assert content(store, "a") == {"x": "1"}
    assert leftovers(folder) == []


def test_only_the_user_can_look(store: CacheStore, folder: Path) -> None:
    store.keep("a", filled(x="1"))
    for path in (folder.parent, folder):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_version_in_use_stays(store: CacheStore) -> None:
    store.keep("a", filled(x="1"))
    lease = found(store, "a")
    store.keep("a", filled(x="2"))
    assert (lease.tree / "x").read_text() == "1"
    lease.close()
    lease.close()
    store.keep("b", filled(x="3"))
    assert not lease.tree.exists()
    assert content(store, "a") == {"x": "2"}


def test_what_was_used_longest_ago_goes_first(store: CacheStore, folder: Path) -> None:
    for age, name in enumerate(("c", "b", "a")):
        store.keep(name, filled(x=name * 300))
        [version] = (folder / name).iterdir()
        os.utime(version / "lock", (age, age))
    found(store, "c").close()  # used now
    store.keep("d", filled(x="d" * 300))
    assert [name for name in "abcd" if content(store, name)] == ["a", "c", "d"]


def test_what_caches_have_in_common_counts_once(store: CacheStore, folder: Path) -> None:
    for name in "abcd":
        store.keep(name, filled(x="x" * 300, own=name))
    assert [name for name in "abcd" if content(store, name)] == ["a", "b", "c", "d"]
    assert size_of(folder / ".objects") == 304
    assert all(store.clear(name) for name in "abcd")
    assert size_of(folder / ".objects") == 0


def test_what_is_in_use_does_not_go(store: CacheStore) -> None:
    store.keep("a", filled(x="x" * 600))
    lease = found(store, "a")
    store.keep("b", filled(x="x" * 600))
    assert content(store, "a") is not None
    lease.close()


def test_a_cache_beyond_the_limit_is_refused(store: CacheStore, folder: Path) -> None:
    store.keep("a", filled(x="1"))
    with pytest.raises(TooLargeError, match="1001"):
        store.keep("a", filled(x="x" * 1001))
    assert content(store, "a") == {"x": "1"}
    assert leftovers(folder) == []


def put_folder_for_file(version: Path) -> None:
    (version / "tree/x").unlink()
    (version / "tree/x").mkdir()


def remove_tree(version: Path) -> None:
    remove(str(version / "tree"))


def overwrite(path: Path) -> None:
    path.chmod(0o644)
    path.write_text("0")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "another text of the same size": lambda version: overwrite(version / "tree/x"),
    "a file is gone": lambda version: (version / "tree/x").unlink(),
    "a file is shorter": lambda version: (version / "tree/x").write_text(""),
    "a file is a folder": put_folder_for_file,
    "one too many": lambda version: (version / "tree/more").write_text(""),
    "no tree": remove_tree,
    "no information": lambda version: (version / "info.json").unlink(),
    "not JSON": lambda version: (version / "info.json").write_text("{"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_refused_and_replaced(
    store: CacheStore, folder: Path, damage: str
) -> None:
    store.keep("a", filled(x="1", y="2"))
    [version] = (folder / "a").iterdir()
    DAMAGES[damage](version)
    with pytest.raises(BrokenCacheError):
        store.find("a")
    store.keep("a", filled(x="new"))
    assert content(store, "a") == {"x": "new"}
    assert len(names(folder / "a")) == 1


def test_a_version_without_its_lock_is_none(store: CacheStore, folder: Path) -> None:
    store.keep("a", filled(x="1"))
    [version] = (folder / "a").iterdir()
    (version / "lock").unlink()
    assert store.find("a") is None
    store.keep("a", filled(x="2"))
    assert content(store, "a") == {"x": "2"}


@pytest.mark.parametrize("place", ["a", ".partial"])
def test_a_file_where_a_folder_belongs_makes_way(
    store: CacheStore, folder: Path, place: str
) -> None:
    folder.mkdir(parents=True)
    (folder / place).write_text("")
    assert store.find("a") is None
    store.keep("a", filled(x="1"))
    assert content(store, "a") == {"x": "1"}


def test_what_a_killed_process_left_is_removed(store: CacheStore, folder: Path) -> None:
    for name in ("1-dead", "old-dead"):
        (folder / ".partial" / name / "tree").mkdir(parents=True)
    (folder / ".partial/1-dead/lock").touch()
    store.keep("a", filled(x="1"))
    assert leftovers(folder) == []


def test_what_another_one_is_writing_stays(store: CacheStore, folder: Path) -> None:
    other = CacheStore(folder, 1000)

    def fill(tree: StoredTree) -> None:
        other.keep("b", filled(y="2"))
        filled(x="1")(tree)

    store.keep("a", fill)
    assert content(store, "a") == {"x": "1"}
    assert content(store, "b") == {"y": "2"}


def test_readers_and_writers_at_once_see_whole_versions(folder: Path) -> None:
    faults: list[object] = []

    def work(letter: str) -> None:
        store = CacheStore(folder, 10**6)
        for _ in range(15):
            try:
                store.keep("a", filled(one=letter, two=letter, three=letter))
                kept = content(store, "a")
                if kept is None or len(kept) != 3 or len(set(kept.values())) != 1:
                    faults.append(kept)
            except (OSError, BrokenCacheError) as error:
                faults.append(error)

    threads = [Thread(target=work, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    CacheStore(folder, 10**6).keep("b", filled(x="1"))
    assert len(names(folder / "a")) == 1
    assert leftovers(folder) == []
