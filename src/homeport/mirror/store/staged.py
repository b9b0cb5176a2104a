"""`Staged` as a file: hashed and written by the megabyte, readable to the last byte at once."""

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from homeport.mirror.errors import DigestMismatchError, NoSpaceError
from homeport.mirror.store.api import StoreError
from homeport.mirror.store.disk import Disk, failing
from homeport.mirror.store.reading import OpenFile
from homeport.mirror.store.room import Room
from homeport.mirror.store.threads import to_the_end
from homeport.oci.digest import Digest, Hash, algorithm_of, hex_of, start_hash

BATCH = 1024**2
"""Bytes that wait in memory for their thread hop (86 µs); a reader gets them from there. Where many
are staged at once, each has a share of `BATCHES`, but no less than `LEAST`."""
BATCHES = 4 * BATCH
LEAST = 128 * 1024


def batch_of(staged: int) -> int:
    """What waits for each of so many that are staged."""
    return max(LEAST, min(BATCH, BATCHES // max(1, staged)))


_READ = 1024**2


class House(Protocol):
    """What staged content needs of its store."""

    disk: Disk
    room: Room

    @property
    def batch(self) -> int:
        """Bytes that may wait in memory of each that is staged."""

    def run(self, function: Callable[..., Any], *arguments: Any) -> Awaitable[Any]:
        """In one of the store's threads."""

    def home(self, digest: Digest) -> Path:
        """Where the blob belongs."""

    def settle(self, key: str, size: int, digest: Digest | None, replaced: int) -> None:
        """The key is staged no more; it became the blob, or (None) nothing."""

    def set_aside(self, path: Path, name: str, reason: str) -> None:
        """Into quarantine (in a thread)."""

    def put_down(self, key: str) -> None:
        """The key may be staged again."""


class FileStaged:
    """A descriptor, the bytes that are written, and the tail that is not yet."""

    def __init__(
        self, house: House, path: Path, file: OpenFile, size: int, running: tuple[str, Hash]
    ) -> None:
        self.key = path.name
        self._house = house
        self._path = path
        self._file = file
        self._written = size
        self._tail = bytearray()
        self._algorithm, self._hash = running
        self._state = "open"

    @property
    def size(self) -> int:
        return self._written + len(self._tail)

    async def append(self, data: bytes | memoryview) -> None:
        self._must_be_open()
        before = len(self._tail)
        self._house.room.take(self.key, len(data))
        self._tail += data
        if len(self._tail) < self._house.batch:
            return
        try:
            await to_the_end(self._flush())
        except BaseException:
            # What was acknowledged earlier stays in memory: only this call did not happen.
            if self._tail:
                self._tail = self._tail[:before]
                self._house.room.staged -= len(data)
            raise

    async def read(self, offset: int, length: int) -> bytes:
        if self._state not in ("open", "committed"):
            raise StoreError(f"{self.key} is {self._state}")
        length = min(length, self.size - offset)
        if length <= 0 or offset < 0:
            return b""
        if offset >= self._written:
            start = offset - self._written
            return bytes(memoryview(self._tail)[start : start + length])
        length = min(length, self._written - offset)
        return await self._file.read(offset, length)

    async def commit(self, digest: Digest, *, durable: bool) -> None:
        self._must_be_open()
        await to_the_end(self._commit(digest, durable))

    async def drop(self) -> None:
        if self._state == "open":
            await to_the_end(self._drop())

    async def quarantine(self, reason: str) -> None:
        if self._state == "open":
            await to_the_end(self._quarantine(reason))

    async def close(self) -> None:
        if self._state == "open":
            await to_the_end(self._put_down())
        elif self._state == "committed":
            self._leave("closed")

    async def _commit(self, digest: Digest, durable: bool) -> None:
        await self._flush()
        replaced = await self._house.run(self._become, digest, durable)
        self._state = "committed"
        self._house.settle(self.key, self.size, digest, replaced)

    async def _drop(self) -> None:
        size = self._leave("dropped")
        try:
            await self._house.run(self._remove)
        finally:
            self._house.settle(self.key, size, None, 0)

    async def _quarantine(self, reason: str) -> None:
        with suppress(NoSpaceError):  # then without the tail
            await self._flush()
        size = self._leave("in quarantine")
        try:
            await self._house.run(self._house.set_aside, self._path, self.key, reason)
        finally:
            self._house.settle(self.key, size, None, 0)

    async def _put_down(self) -> None:
        try:
            await self._flush()
        finally:
            self._house.room.staged -= len(self._tail)
            self._tail = bytearray()
            self._leave("closed")
            self._house.put_down(self.key)

    def _must_be_open(self) -> None:
        if self._state != "open":
            raise StoreError(f"{self.key} is {self._state}")

    def _leave(self, state: str) -> int:
        """Close the file; how much was staged."""
        self._state = state
        self._file.close()
        return self.size

    async def _flush(self) -> None:
        if not self._tail:
            return
        tail = self._tail
        await self._house.run(self._write, tail, self._written)
        self._written += len(tail)
        self._tail = bytearray()

    # in a thread
    def _write(self, data: bytearray, offset: int) -> None:
        try:
            with failing(f"writing {self.key}"):
                self._house.disk.write(self._file.descriptor, data, offset)
        except BaseException:
            with suppress(OSError):
                self._house.disk.truncate(self._file.descriptor, offset)
            raise
        self._hash.update(memoryview(data))

    def _remove(self) -> None:
        with failing(f"dropping {self.key}"):
            self._house.disk.remove(self._path)

    def _become(self, digest: Digest, durable: bool) -> int:
        """Verify, sync, rename. The data is synced even for a cache: a rename may survive a power
        cut that the data does not, and a blob with a hole would be served."""
        disk, home = self._house.disk, self._house.home(digest)
        with failing(f"committing {digest}"):
            if self._digest(algorithm_of(digest)) != hex_of(digest):
                raise DigestMismatchError(f"{self._written} bytes are not {digest}")
            disk.sync(self._file.descriptor)
            disk.make_folder(home.parent)
            try:
                replaced = home.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                replaced = 0
            disk.rename(self._path, home)
            if durable:
                disk.sync_folder(home.parent)
        return replaced

    def _digest(self, algorithm: str) -> str:
        if algorithm == self._algorithm:
            return self._hash.hexdigest()
        return rehash(self._file.descriptor, algorithm)[1].hexdigest()


def rehash(descriptor: int, algorithm: str) -> tuple[int, Hash]:
    """Size and running hash of a file from its beginning (in a thread)."""
    running = start_hash(algorithm)
    size = 0
    while part := os.pread(descriptor, _READ, size):
        running.update(part)
        size += len(part)
    return size, running
