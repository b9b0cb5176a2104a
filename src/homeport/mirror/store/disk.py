"""The calls to the operating system that change files, in one place.

In: paths and descriptors of this store. Out: the same effects, `NoSpaceError` and `StoreError`.
A test puts another one here that forgets, at a power cut, what was not synced.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from homeport.mirror.errors import NoSpaceError
from homeport.mirror.store.api import StoreError

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def failing(what: str) -> Iterator[None]:
    """Turn what the operating system says into the store's errors."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpaceError(f"{what}: {os.strerror(error.errno or 0)}") from error
        raise StoreError(f"{what}: {error}") from error


class Disk:
    """Nothing here follows a symbolic link at the end of a path, or is readable for others."""

    def make_folder(self, path: Path) -> None:
        """Also its parents; what is new is synced, so that nothing durable can hang on a folder
        that a power cut takes away."""
        if path.is_dir():
            return
        self.make_folder(path.parent)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
        self.sync_folder(path.parent)

    def open(self, path: Path, *, fresh: bool) -> int:
        """For reading and writing; created where it is not there, emptied if `fresh`."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags | (os.O_TRUNC if fresh else 0), FILE_MODE)

    def write(self, descriptor: int, data: bytes | bytearray, offset: int) -> None:
        """All of it; raises OSError after a part was written."""
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            view = view[written:]
            offset += written

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def sync_folder(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def free(self, path: Path) -> int:
        """Bytes that we may still write on this file system."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize
