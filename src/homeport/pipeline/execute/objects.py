"""The contents of artifacts and caches, each kept once under its digest.

    <folder>/<xx>/<digest>[x]    read-only; `x` where the file may be run

A tree that is kept has hard links to them, so a file costs one name for each tree that has it, and
the link count says what nobody has any more. No job ever gets such a link (`stored_tree.lay_over`
copies). Nothing is under its digest before it is whole, and removing an object that is just being
linked harms nobody: the tree has it, and the next one writes it anew. So any threads and processes
may use a folder, and be killed. A file that somebody has written to, in whichever tree, is told by
its time and not linked again.
"""

import os
import stat
from contextlib import suppress
from errno import EMLINK, ENOENT
from hashlib import sha256

from homeport.lib.atomic import write_all

SMALL = 1 << 20
"""Bytes up to which a file is better held in memory than read twice."""
_STAMP = 1_000_000_000
"""The time of every object, in seconds since 1970."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class Objects:
    """The objects of one folder, which is made when it is needed. Methods may raise OSError."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = os.fspath(folder)

    def put(self, data: bytes, target: str, *, executable: bool) -> None:
        """Make the file `target`, which is not there, with this content."""
        name = self._name(sha256(data).hexdigest(), executable=executable)
        if _has(name, len(data), executable) and _linked(name, target):
            return
        file = os.open(target, _NEW, 0o600)
        try:
            write_all(file, data)
            _seal(file, executable=executable)
        finally:
            os.close(file)
        self._keep(target, name)

    def link(self, digest: str, size: int, target: str, *, executable: bool) -> bool:
        """Make the file `target` of a content that is here; False if it is not."""
        name = self._name(digest, executable=executable)
        return _has(name, size, executable) and _linked(name, target)

    def adopt(self, source: str, target: str, *, executable: bool) -> int:
        """Move `source`, which nobody else has, to `target`, which is not there; gives its size."""
        file = os.open(source, _READ)
        try:
            digest, size = digest_of(file)
            _seal(file, executable=executable)
        finally:
            os.close(file)
        if self.link(digest, size, target, executable=executable):
            os.unlink(source)
            return size
        os.rename(source, target)
        self._keep(target, self._name(digest, executable=executable))
        return size

    def prune(self) -> None:
        """Remove what no tree has any more."""
        for shard in _entries(self._folder):
            for entry in _entries(shard.path) if shard.is_dir(follow_symlinks=False) else ():
                with suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_nlink == 1:
                        os.unlink(entry.path)

    def _name(self, digest: str, *, executable: bool) -> str:
        return f"{self._folder}/{digest[:2]}/{digest[2:]}{'x' if executable else ''}"

    def _keep(self, target: str, name: str) -> None:
        """Link a whole file under its digest, over one that is not as it was or has no room."""
        try:
            os.link(target, name)
        except OSError as error:
            if error.errno == ENOENT:
                os.makedirs(os.path.dirname(name), mode=0o700, exist_ok=True)
            elif isinstance(error, FileExistsError):
                with suppress(FileNotFoundError):
                    os.unlink(name)
            else:
                return  # no hard links here: the tree has a file of its own
            with suppress(OSError):
                os.link(target, name)


def digest_of(file: int) -> tuple[str, int]:
    """The digest and size of an open file, from where it is."""
    found, size = sha256(), 0
    while block := os.read(file, SMALL):
        found.update(block)
        size += len(block)
    return found.hexdigest(), size


def _seal(file: int, *, executable: bool) -> None:
    os.fchmod(file, _mode(executable))
    os.utime(file, (_STAMP, _STAMP))


def is_whole(facts: os.stat_result, size: int) -> bool:
    """Whether an object, or what a tree has of it, is as it was written; so it is told by its time,
    not read again."""
    return (
        stat.S_ISREG(facts.st_mode)
        and facts.st_size == size
        and facts.st_mtime_ns == _STAMP * 1_000_000_000
    )


def _has(name: str, size: int, executable: bool) -> bool:
    try:
        facts = os.lstat(name)
    except FileNotFoundError:
        return False
    return is_whole(facts, size) and stat.S_IMODE(facts.st_mode) == _mode(executable)


def _mode(executable: bool) -> int:
    return 0o555 if executable else 0o444


def _linked(name: str, target: str) -> bool:
    try:
        os.link(name, target)
    except OSError as error:
        # Removed meanwhile; too many links to one (ext4 takes 65,000); or none are made here.
        if error.errno in (ENOENT, EMLINK) or not isinstance(error, FileExistsError):
            return False
        raise
    return True


def _entries(folder: str) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []
