# ruff: noqa: PTH115 - plain paths, as in workspace.py: there may be thousands of files.
"""The workspace of a container job as one tar stream, made while it is sent.

Everything belongs to root and may be written by any user of the image, as the Runner's umask of
0000 leaves it (GitLab Runner, `FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR`).
"""

import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from homeport.pipeline.execute.stored_tree import walk


class Stored(NamedTuple):
    """A file on disk whose mode and time (nanoseconds since 1970) are not its own."""

    path: str
    mode: int
    time: int


Source = str | Stored | bytes | None
Item = tuple[str, Source]
"""A name in the archive and what to put there: a path on disk, a content, or None for a folder."""

_FOLDER_MODE = 0o777
_FILE_MODE = 0o666
_CHUNK = 256 * 1024


def pack(items: Iterable[Item], mtime: int) -> Iterator[bytes]:
    """The tar stream of `items`, in their order, each folder before what is in it.

    Files keep their time, all else gets `mtime`. What vanished since it was listed is left out,
    and so is what is neither a file, a symlink nor a folder. A file that changes its size while it
    is read is cut or filled with zeros. Raises OSError for what cannot be read.
    """
    writer = _Writer(mtime)
    for name, source in items:
        if source is None:
            writer.folder(name)
        elif isinstance(source, bytes):
            writer.content(name, source)
        elif isinstance(source, Stored):
            yield from writer.disk(name, source.path, source)
        else:
            yield from writer.disk(name, source)
        if writer.size >= _CHUNK:
            yield writer.take()
    writer.add(bytes(2 * tarfile.BLOCKSIZE))
    yield writer.take()


def tree_items(name: str, root: str, skip: frozenset[str] = frozenset()) -> Iterator[Item]:
    """All that is in the folder `root`, under `name`, but the paths in `skip`, relative to it."""
    for path, entry, given in walk(root):
        if not any(f"{path}/".startswith(f"{each}/") for each in skip):
            yield f"{name}/{path}", Stored(entry.path, *given) if given else entry.path


class _Writer:
    """Collects entries until somebody takes them; knows which folders are there."""

    def __init__(self, mtime: int) -> None:
        self._mtime = mtime
        self._folders: set[str] = {""}
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        self._parts.append(data)
        self.size += len(data)

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return data

    def folder(self, path: str) -> None:
        missing = []
        while path not in self._folders:
            self._folders.add(path)
            missing.append(path)
            path = path.rpartition("/")[0]
        for name in reversed(missing):
            self._header(name, tarfile.DIRTYPE, _FOLDER_MODE)

    def content(self, name: str, data: bytes) -> None:
        self._leaf(name, tarfile.REGTYPE, _FILE_MODE, size=len(data))
        self.add(data)
        self.add(_padding(len(data)))

    def disk(self, name: str, source: str, given: Stored | None = None) -> Iterator[bytes]:
        try:
            found = os.lstat(source)
            if stat.S_ISREG(found.st_mode):
                yield from self._file(name, source, given)
            elif stat.S_ISLNK(found.st_mode):
                target = os.readlink(source)
                self._leaf(name, tarfile.SYMTYPE, _FOLDER_MODE, link=target)
            elif stat.S_ISDIR(found.st_mode):
                self.folder(name)
        except (FileNotFoundError, NotADirectoryError):
            return

    def _file(self, name: str, source: str, given: Stored | None) -> Iterator[bytes]:
        # Between the listing and now a symlink or a pipe may have taken the file's place.
        file = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                return
            executable = (given.mode if given else found.st_mode) & stat.S_IXUSR
            mode = _FOLDER_MODE if executable else _FILE_MODE
            time = given.time // 1_000_000_000 if given else int(found.st_mtime)
            self._leaf(name, tarfile.REGTYPE, mode, size=found.st_size, time=time)
            left = found.st_size
            while left:
                data = os.read(file, min(left, _CHUNK)) or bytes(min(left, _CHUNK))
                left -= len(data)
                self.add(data)
                if self.size >= _CHUNK:
                    yield self.take()
            self.add(_padding(found.st_size))
        finally:
            os.close(file)

    def _leaf(
        self, name: str, kind: bytes, mode: int, *, size: int = 0, time: int = 0, link: str = ""
    ) -> None:
        self.folder(name.rpartition("/")[0])
        # Over a folder that an earlier item made, which an engine then replaces with all in it.
        if name in self._folders:
            self._folders = {
                path for path in self._folders if not f"{path}/".startswith(f"{name}/")
            }
        self._header(name, kind, mode, size=size, time=time, link=link)

    def _header(
        self, name: str, kind: bytes, mode: int, *, size: int = 0, time: int = 0, link: str = ""
    ) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.size, entry.linkname = kind, mode, size, link
        entry.mtime = max(time or self._mtime, 0)
        entry.uname = entry.gname = "root"
        self.add(entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
