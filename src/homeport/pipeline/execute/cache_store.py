"""Where caches are kept: whole or not at all, whoever reads and writes at the same time.

    <folder>/lock                      held to publish and to remove, never while files are copied
    <folder>/<key>/<number>/{tree/, info.json, lock}
    <folder>/<key>/<number>/tree+attributes
    <folder>/.partial/<name>/          being written, or about to be removed
    <folder>/.objects/                 what is in the files of all trees, each once (`objects.py`)

A version never changes; a new one is written aside and renamed into its place, and the highest
number counts. Who reads or writes a version holds a shared lock on its `lock` (flock, which the
system lets go of when the process dies), so that nothing in use is removed; the time of that file
says when it was used last.
"""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from homeport.lib.atomic import write_atomic
from homeport.pipeline.execute.objects import Objects
from homeport.pipeline.execute.state import size_of
from homeport.pipeline.execute.stored_tree import StoredTree, walk
from homeport.pipeline.execute.workspace import make_folder, remove

_PARTIAL = ".partial"
_TRIES = 3


class Info(Struct, frozen=True, kw_only=True):
    """`info.json`: how many entries the tree has, and the bytes of its files."""

    entries: int
    size: int


class Kept(Struct, frozen=True, kw_only=True):
    """A cache as it is now; `used_at` is seconds since 1970."""

    name: str
    size: int
    used_at: float


class BrokenCacheError(Exception):
    """A cache, or a part of it, cannot be what was kept."""


class TooLargeError(Exception):
    """A cache alone is larger than all may be; the text says how large."""


class Lease:
    """A version that is being read; it stays until `close`, which is idempotent."""

    def __init__(self, tree: Path, info: Info, lock: int) -> None:
        self.tree = tree
        self.info = info
        self._lock = lock

    def close(self) -> None:
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)


class CacheStore:
    """The caches of one repository, `limit` bytes together; used by any threads and processes.

    Every method may raise OSError.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._objects = Objects(folder / ".objects")

    def find(self, name: str) -> Lease | None:
        """The newest version under a name (`cache_key.folder_name`), if there is any.

        Raises `BrokenCacheError` if it is not as it was kept.
        """
        for _ in range(_TRIES):
            version = _newest(self._folder / name)
            if version is None:
                return None
            try:
                lock = _open_lock(version, create=False)
            except FileNotFoundError:
                continue  # removed just now
            lease = None
            try:
                fcntl.flock(lock, fcntl.LOCK_SH)
                if not _is_still(version, lock):
                    continue
                info = _verified(version)
                os.utime(lock)
                lease = Lease(version / "tree", info, lock)
                return lease
            finally:
                if lease is None:
                    os.close(lock)
        return None

    def keep(self, name: str, fill: Callable[[StoredTree], None]) -> Info | None:
        """Make the tree that `fill` fills the newest version.

        Without any entry nothing is kept, and None given. Whatever `fill` raises comes through.
        Raises `TooLargeError` too. Then what is there stays as it is.
        """
        with self._partial() as partial:
            tree = StoredTree(partial / "tree", self._objects)
            fill(tree)
            if not tree.count:
                return None
            tree.finish()
            info = measure(partial / "tree")
            if info.size > self._limit:
                raise TooLargeError(str(info.size))
            write_atomic(partial / "info.json", msgspec.json.encode(info))
            with self._locked():
                place = self._folder / name
                make_folder(os.fspath(place))
                newest = _newest(place)
                number = 1 if newest is None else int(newest.name) + 1
                partial.rename(place / f"{number:08}")
                discarded = self._discard(name, number)
        self._remove(discarded)
        return info

    def kept(self) -> tuple[Kept, ...]:
        """All caches, by name."""
        found = []
        for place in self._places():
            version = _newest(place)
            if version is not None:
                size, used_at = _size(version), _last_used(version)
                found.append(Kept(name=place.name, size=size, used_at=used_at))
        return tuple(found)

    def clear(self, name: str) -> bool:
        """Remove a cache (a name of `kept`); False if a version of it is in use, and stays."""
        with self._locked():
            make_folder(os.fspath(self._folder / _PARTIAL))
            gone = [self._put_aside(version) for version in _versions(self._folder / name)]
        self._remove(path for path in gone if path is not None)
        with suppress(OSError):
            (self._folder / name).rmdir()
        return None not in gone

    @contextmanager
    def _partial(self) -> Iterator[Path]:
        """A new locked folder, which is gone afterwards unless it was renamed."""
        for folder in (self._folder.parent, self._folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self._folder / _PARTIAL / f"{os.getpid()}-{os.urandom(8).hex()}"
        with self._locked():
            make_folder(os.fspath(partial.parent))
            left = [path for path in partial.parent.iterdir() if not _is_used(path)]
            partial.mkdir(mode=0o700)
            lock = _open_lock(partial, create=True)
            fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            self._remove(left)
            yield partial
        except BaseException:
            # What was taken of it so far would fill the disk for as long as nothing else goes away.
            self._remove((partial,))
            raise
        finally:
            os.close(lock)
            remove(os.fspath(partial))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = _open_lock(self._folder, create=True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _discard(self, name: str, number: int) -> list[Path]:
        """Put aside what is superseded, then what was used longest ago, beyond the limit."""
        discarded: list[Path] = []
        kept: list[tuple[bool, float, int, Path]] = []
        own = self._folder / name / f"{number:08}"
        for place in self._places():
            newest = _newest(place)
            for version in _versions(place):
                if version != newest and (gone := self._put_aside(version)):
                    discarded.append(gone)
                else:
                    kept.append((version == own, _last_used(version), _size(version), version))
        if sum(size for _, _, size, _ in kept) <= self._limit:
            return discarded  # what they share can only make it less
        total, seen = 0, set[int]()
        for is_own, _, _, version in sorted(kept, reverse=True):
            total += size_of(version / "tree", seen)
            if total > self._limit and not is_own and (gone := self._put_aside(version)):
                discarded.append(gone)
        return discarded

    def _places(self) -> list[Path]:
        """The folders of all keys."""
        found = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted(path for path in found if path.name[0] != "." and path.is_dir())

    def _remove(self, versions: Iterable[Path]) -> None:
        """Remove what was put aside, and the contents that nothing has any more."""
        versions = tuple(versions)
        for path in versions:
            remove(os.fspath(path))
        if versions:
            self._objects.prune()

    def _put_aside(self, version: Path) -> Path | None:
        """Where a version went, so that nobody finds it any more; None if it is in use."""
        try:
            lock = _open_lock(version, create=True)
        except OSError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            aside = self._folder / _PARTIAL / f"old-{os.urandom(8).hex()}"
            version.rename(aside)
        except OSError:
            return None
        finally:
            os.close(lock)
        return aside


def measure(tree: Path) -> Info:
    """Entries and bytes of a tree. Raises `BrokenCacheError` for what could not be restored."""
    entries = size = 0
    for _, entry, _ in walk(os.fspath(tree)):
        entries += 1
        if entry.is_file(follow_symlinks=False):
            facts = entry.stat(follow_symlinks=False)
            size += facts.st_size
            if not facts.st_mode & 0o400 and not os.access(entry.path, os.R_OK):
                raise BrokenCacheError(f"{entry.path} cannot be read")
    return Info(entries=entries, size=size)


def _verified(version: Path) -> Info:
    try:
        info = msgspec.json.decode((version / "info.json").read_bytes(), type=Info)
    except (OSError, msgspec.DecodeError) as error:
        raise BrokenCacheError("it cannot be read") from error
    try:
        is_whole = measure(version / "tree") == info
    except OSError:
        is_whole = False
    if not is_whole:
        raise BrokenCacheError("parts of it are missing or changed")
    return info


def _versions(place: Path) -> list[Path]:
    """All versions of a key, the oldest first."""
    try:
        names = [path.name for path in place.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    numbers = sorted((int(name), name) for name in names if name.isascii() and name.isdecimal())
    return [place / name for _, name in numbers]


def _newest(place: Path) -> Path | None:
    versions = _versions(place)
    return versions[-1] if versions else None


def _open_lock(folder: Path, *, create: bool) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    return os.open(folder / "lock", flags, 0o600)


def _is_still(version: Path, lock: int) -> bool:
    """Whether the version was not put aside before its lock was got."""
    try:
        return os.path.samestat((version / "lock").stat(), os.fstat(lock))
    except FileNotFoundError:
        return False


def _is_used(folder: Path) -> bool:
    try:
        lock = _open_lock(folder, create=False)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _last_used(version: Path) -> float:
    try:
        return (version / "lock").stat().st_mtime
    except OSError:
        return 0.0


def _size(version: Path) -> int:
    try:
        info = msgspec.json.decode((version / "info.json").read_bytes(), type=Info)
    except (OSError, msgspec.DecodeError):
        return size_of(version)
    return info.size
