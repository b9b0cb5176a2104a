"""`Blobs` in memory."""

import time
from collections.abc import AsyncIterator, Callable, Sequence

from homeport.mirror.errors import DigestMismatchError, NoSpaceError
from homeport.mirror.store.api import (
    BlobInfo,
    OpenBlob,
    Reservation,
    Staged,
    StagedInfo,
    StoreError,
    Usage,
)
from homeport.mirror.store.keys import check_key
from homeport.oci.digest import Digest, algorithm_of, digest_of, start_hash

ENDLESS = 1 << 60


class _Open:
    descriptor = None

    def __init__(self, content: bytes) -> None:
        self.size = len(content)
        self._content = content

    async def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]

    def close(self) -> None:
        self._content = b""


class _Reservation:
    def __init__(self, blobs: "MemoryBlobs", size: int, key: str | None) -> None:
        self.left = size
        self.key = key
        self._blobs = blobs

    def release(self) -> None:
        if self in self._blobs.reservations:
            self._blobs.reservations.remove(self)


class _Staged:
    def __init__(self, blobs: "MemoryBlobs", key: str, algorithm: str) -> None:
        self.key = key
        self.algorithm = algorithm
        self.state = "open"
        self._blobs = blobs
        self._content = blobs.partial.setdefault(key, bytearray())

    @property
    def size(self) -> int:
        return len(self._content)

    async def append(self, data: bytes | memoryview) -> None:
        if self.state != "open":
            raise StoreError(f"{self.key} is {self.state}")
        self._blobs.take(self.key, len(data))
        self._content += data
        self._blobs.changed[self.key] = self._blobs.clock()

    async def read(self, offset: int, length: int) -> bytes:
        if self.state in ("dropped", "in quarantine", "closed"):
            raise StoreError(f"{self.key} is {self.state}")
        return bytes(self._content[offset : offset + length])

    async def commit(self, digest: Digest, *, durable: bool) -> None:  # noqa: ARG002
        if self.state != "open":
            raise StoreError(f"{self.key} is {self.state}")
        content = bytes(self._content)
        if digest_of(content, algorithm_of(digest)) != digest:
            raise DigestMismatchError(f"{len(content)} bytes are not {digest}")
        self._blobs.put(digest, content)
        self._leave("committed")

    async def drop(self) -> None:
        if self.state == "open":
            self._leave("dropped")

    async def quarantine(self, reason: str) -> None:
        if self.state == "open":
            self._blobs.quarantined.append((self.key, reason, bytes(self._content)))
            self._leave("in quarantine")

    async def close(self) -> None:
        if self.state == "open":
            self._blobs.writers.discard(self.key)
        self.state = "closed"

    def _leave(self, state: str) -> None:
        self.state = state
        self._blobs.writers.discard(self.key)
        self._blobs.partial.pop(self.key, None)
        self._blobs.changed.pop(self.key, None)


class MemoryBlobs:
    """Blobs that end with the process. `content` (digest to bytes) and `quarantined` (key or
    digest, reason, bytes) are there to be looked at by tests."""

    def __init__(self, *, quota: int | None = None, clock: Callable[[], float] = time.time) -> None:
        self.quota = quota
        self.clock = clock
        self.content: dict[Digest, bytes] = {}
        self.modified: dict[Digest, float] = {}
        self.partial: dict[str, bytearray] = {}
        self.changed: dict[str, float] = {}
        self.quarantined: list[tuple[str, str, bytes]] = []
        self.reservations: list[_Reservation] = []
        self.writers: set[str] = set()

    async def stat(self, digest: Digest) -> int | None:
        content = self.content.get(digest)
        return None if content is None else len(content)

    async def open(self, digest: Digest) -> OpenBlob | None:
        content = self.content.get(digest)
        return None if content is None else _Open(content)

    async def stage(self, key: str, *, algorithm: str = "sha256", fresh: bool = False) -> Staged:
        check_key(key)
        start_hash(algorithm)
        if key in self.writers:
            raise StoreError(f"{key} is being written")
        if fresh:
            self.partial.pop(key, None)
        self.writers.add(key)
        self.changed.setdefault(key, self.clock())
        return _Staged(self, key, algorithm)

    async def staged(self) -> Sequence[StagedInfo]:
        return [
            StagedInfo(key, len(content), self.changed.get(key, 0.0))
            for key, content in self.partial.items()
        ]

    async def reserve(self, size: int, *, key: str | None = None) -> Reservation:
        self._room(size)
        reservation = _Reservation(self, size, key)
        self.reservations.append(reservation)
        return reservation

    async def make_durable(self, digest: Digest) -> bool:
        return digest in self.content

    async def quarantine(self, digest: Digest, reason: str) -> bool:
        content = self.content.pop(digest, None)
        if content is None:
            return False
        self.quarantined.append((digest, reason, content))
        return True

    async def delete(self, digest: Digest) -> int:
        self.modified.pop(digest, None)
        return len(self.content.pop(digest, b""))

    async def walk(self) -> AsyncIterator[BlobInfo]:
        for digest in sorted(self.content):
            if digest in self.content:
                size, modified = len(self.content[digest]), self.modified.get(digest, 0.0)
                yield BlobInfo(digest, size, modified)

    async def usage(self) -> Usage:
        blobs = sum(map(len, self.content.values()))
        staged = sum(map(len, self.partial.values()))
        return Usage(blobs, staged, ENDLESS)

    async def close(self) -> None:
        self.reservations.clear()

    def put(self, digest: Digest, content: bytes) -> None:
        """Have a blob at once (tests may call it)."""
        self.content[digest] = content
        self.modified[digest] = self.clock()

    def take(self, key: str, size: int) -> None:
        """Take room for bytes that are appended: from the key's reservations, then from the
        quota."""
        mine = [each for each in self.reservations if each.key == key]
        self._room(max(0, size - sum(each.left for each in mine)))
        for each in mine:
            taken = min(each.left, size)
            each.left -= taken
            size -= taken

    def _room(self, size: int) -> None:
        if self.quota is None or size == 0:
            return
        held = sum(map(len, self.content.values())) + sum(map(len, self.partial.values()))
        promised = sum(each.left for each in self.reservations)
        if held + promised + size > self.quota:
            raise NoSpaceError(f"{size} more bytes are over the quota of {self.quota}")
