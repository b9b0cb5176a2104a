"""Trees of artifacts and caches as they are kept: files shared by content, links, folders.

    <tree>/              files are hard links to objects (`objects.py`), so read-only and undated
    <tree>+attributes    what they share with nobody: the mode and time of each file; and its size

What goes into a tree is hostile: its files have names inside of it, and symbolic links are made
last, so that nothing is ever written through one. A tree with a file that is gone, or that is not
as it was written, is not handed on. One without attributes, such as a folder of the user's, is one
whose files have their own.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from errno import EIO
from typing import IO

import msgspec

from homeport.pipeline.execute.objects import SMALL, Objects, digest_of, is_whole
from homeport.pipeline.execute.workspace import copy_content, copy_entry, make_folder, remove

Attributes = Mapping[bytes, tuple[int, int, int]]
"""Mode, time (nanoseconds since 1970) and size of files by their paths in a tree."""

_BLOCK = 1 << 18
# O_NONBLOCK: opening a FIFO must not wait for its writer.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LATEST = 2**63 - 1
"""What is later than the year 2262 or earlier than 1678 is not needed, nor what a note holds."""


class StoredTree:
    """A tree that is being written to `root`, by one thread; `finish` completes it.

    Paths are relative to it, with slashes, and name nothing outside. Later entries replace earlier
    ones. Methods may raise OSError.
    """

    def __init__(self, root: str | os.PathLike[str], objects: Objects) -> None:
        self.root = os.fspath(root)
        self._objects = objects
        self._made = {""}
        self._files: dict[str, tuple[int, int, int]] = {}
        self._links: dict[str, str] = {}
        self._scratch = f"{self.root}+new"
        self.count = 0
        os.makedirs(self.root, exist_ok=True)

    def take(self, path: str, source: str) -> None:
        """A file, symbolic link or folder (without what is in it) of this machine; nothing of
        what is gone, or is a device, FIFO or socket."""
        try:
            file = os.open(source, _READ)
        except OSError:
            kind = _kind(source)
            if kind == stat.S_IFLNK:
                self.link(path, os.readlink(source))
            elif kind in (stat.S_IFREG, stat.S_IFDIR):
                raise
            return
        try:
            facts = os.fstat(file)
            if stat.S_ISDIR(facts.st_mode):
                self.folder(path)
            elif stat.S_ISREG(facts.st_mode):
                self._take_file(path, file, facts)
        finally:
            os.close(file)

    def folder(self, path: str) -> None:
        self._make(path)
        self.count += 1

    def link(self, path: str, target: str) -> None:
        self._links[path] = target
        self.count += 1

    def write(
        self, path: str, read: Callable[[int], bytes], *, size: int, mode: int, time: int
    ) -> None:
        """A file of `size` bytes that `read` gives, `time` in nanoseconds since 1970.

        Raises `EOFError` if there are fewer.
        """
        self._place(path, mode, time, size)
        executable = bool(mode & 0o100)
        if size <= SMALL:
            data = b"".join(_exactly(read, size))
            self._objects.put(data, f"{self.root}/{path}", executable=executable)
            return
        with self._written() as file:
            for block in _exactly(read, size):
                file.write(block)
        self._objects.adopt(self._scratch, f"{self.root}/{path}", executable=executable)

    def same(self, path: str, other: str | None) -> bool:
        """A file like one that was taken before; False if that was not."""
        if other is None or other not in self._files or other in self._links:
            return False
        mode, time, size = self._files[other]
        with open(f"{self.root}/{other}", "rb", buffering=0) as file:
            self.write(path, file.read, size=size, mode=mode, time=time)
        return True

    def finish(self) -> None:
        """Make the links, and note the attributes."""
        for path, target in self._links.items():
            if path in self._made:
                continue  # only a forged archive has a folder and a link of one name
            self._make(path.rpartition("/")[0])
            self._drop(path)
            os.symlink(target, f"{self.root}/{path}")
        noted = {os.fsencode(path): facts for path, facts in self._files.items()}
        with open(attributes_path(self.root), "wb") as file:
            file.write(msgspec.msgpack.encode(noted))

    def _take_file(self, path: str, file: int, facts: os.stat_result) -> None:
        def read(size: int) -> bytes:
            return os.read(file, size)

        mode, time = stat.S_IMODE(facts.st_mode) & 0o777, facts.st_mtime_ns
        executable = bool(mode & 0o100)
        if facts.st_size <= SMALL:
            data = _at_most(read, SMALL)
            if data is not None:
                self._place(path, mode, time, len(data))
                self._objects.put(data, f"{self.root}/{path}", executable=executable)
                return
            os.lseek(file, 0, os.SEEK_SET)
        digest, size = digest_of(file)
        self._place(path, mode, time, size)
        target = f"{self.root}/{path}"
        if not self._objects.link(digest, size, target, executable=executable):
            os.lseek(file, 0, os.SEEK_SET)
            with self._written() as scratch:
                copy_content(file, scratch.fileno(), size)
            size = self._objects.adopt(self._scratch, target, executable=executable)
            self._files[path] = (*self._files[path][:2], size)  # it may have grown meanwhile

    def _place(self, path: str, mode: int, time: int, size: int) -> None:
        self._make(path.rpartition("/")[0])
        if path in self._files:
            self._drop(path)
        self._files[path] = (mode & 0o777, min(max(time, -_LATEST), _LATEST), size)
        self.count += 1

    def _drop(self, path: str) -> None:
        self._files.pop(path, None)
        with suppress(FileNotFoundError):
            os.unlink(f"{self.root}/{path}")

    def _make(self, path: str) -> None:
        if path not in self._made:
            self._make(path.rpartition("/")[0])
            self._files.pop(path, None)
            make_folder(f"{self.root}/{path}")
            self._made.add(path)

    @contextmanager
    def _written(self) -> Iterator[IO[bytes]]:
        """A new file beside the tree, for what is too large to be held."""
        remove(self._scratch)
        try:
            with open(os.open(self._scratch, _NEW, 0o600), "wb", buffering=0) as file:
                yield file
        except BaseException:
            remove(self._scratch)
            raise


def lay_over(tree: str, target: str) -> None:
    """Copy a tree over the existing folder `target`; its files replace those that are there.

    Nothing is written through a symbolic link: where one stands in the way it is replaced.
    """
    for path, entry, given in walk(tree):
        if entry.is_dir(follow_symlinks=False):
            make_folder(f"{target}/{path}")
        else:
            copy_entry(entry.path, f"{target}/{path}", times=True, given=given)


Walked = tuple[str, "os.DirEntry[str]", tuple[int, int] | None]
"""The path in a tree, what is there, and the mode and time of a file that has not its own."""


def walk(tree: str) -> Iterator[Walked]:
    """All that is in a tree, each folder before what is in it. Raises OSError, in the end at the
    latest, where anything is not as it was written."""
    attributes = read_attributes(tree)
    left = len(attributes)
    pending = [""]
    while pending:
        inside = pending.pop()
        with os.scandir(os.path.join(tree, inside)) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            path = f"{inside}/{entry.name}" if inside else entry.name
            noted = attributes.get(os.fsencode(path)) if attributes else None
            if noted is not None:
                if not is_whole(entry.stat(follow_symlinks=False), noted[2]):
                    raise _not_as_written(entry.path)
                left -= 1
                yield path, entry, noted[:2]
                continue
            yield path, entry, None
            if entry.is_dir(follow_symlinks=False):
                pending.append(path)
    if left:
        raise _not_as_written(tree)


def _not_as_written(path: str) -> OSError:
    """What is raised for a file that is not as it was written."""
    return OSError(
        EIO, "it is not as it was written; to have it made anew, run its job again", path
    )


def read_attributes(tree: str) -> Attributes:
    """What `tree` notes of its files; nothing where it is none of ours. Raises OSError."""
    try:
        with open(attributes_path(tree), "rb", buffering=0) as file:
            return msgspec.msgpack.decode(file.read(), type=dict[bytes, tuple[int, int, int]])
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise _not_as_written(attributes_path(tree)) from error


def attributes_path(tree: str) -> str:
    return f"{tree}+attributes"


def move(tree: str, target: str) -> None:
    """Rename a finished tree; it is there whole or not at all."""
    os.replace(attributes_path(tree), attributes_path(target))
    os.rename(tree, target)


def discard(tree: str) -> None:
    """Remove a tree and what belongs to it, whole or not, if it is there."""
    remove(tree)
    remove(attributes_path(tree))
    remove(f"{tree}+new")


def _kind(path: str) -> int:
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except OSError:
        return 0


def _exactly(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    while size:
        block = read(min(size, _BLOCK))
        if not block:
            raise EOFError
        size -= len(block)
        yield block


def _at_most(read: Callable[[int], bytes], size: int) -> bytes | None:
    """All that there is to read; None if it is more than `size`, as a file may grow."""
    data = read(size + 1)
    while len(data) <= size:
        block = read(size + 1 - len(data))
        if not block:
            return data
        data += block
    return None
