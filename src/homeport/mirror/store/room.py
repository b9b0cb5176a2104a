"""How much room there is: the quota, the disk, and what has been promised."""

from collections.abc import Callable

from homeport.mirror.errors import NoSpaceError


class Promise:
    """A reservation. `left` shrinks by what is appended to the staged content `key`."""

    def __init__(self, room: "Room", size: int, key: str | None) -> None:
        self.left = size
        self.key = key
        self._room = room

    def release(self) -> None:
        self._room.forgive(self)


class Room:
    """Counts bytes of blobs, staged content and promises; only the event loop touches it.

    `free` tells what the disk has left (a few microseconds); `reserve` of that is nobody's.
    """

    def __init__(self, *, quota: int | None, reserve: int, free: Callable[[], int]) -> None:
        self.blobs = 0
        self.staged = 0
        self._quota = quota
        self._reserve = reserve
        self._free = free
        self._promises: dict[str | None, list[Promise]] = {}
        self._promised = 0

    def free(self) -> int:
        return max(0, self._free() - self._reserve)

    def promise(self, size: int, key: str | None) -> Promise:
        """Raises NoSpaceError; ValueError for a negative size."""
        if size < 0:
            raise ValueError("a reservation cannot be negative")
        self._check(size)
        promise = Promise(self, size, key)
        self._promises.setdefault(key, []).append(promise)
        self._promised += size
        return promise

    def forgive(self, promise: Promise) -> None:
        mine = self._promises.get(promise.key, [])
        if promise in mine:
            mine.remove(promise)
            self._promised -= promise.left
            if not mine:
                del self._promises[promise.key]

    def take(self, key: str, size: int) -> None:
        """Bytes are appended: from the promises to this key, the rest must find room itself."""
        mine = self._promises.get(key, ())
        self._check(size - sum(promise.left for promise in mine))
        self.staged += size
        for promise in mine:
            taken = min(promise.left, size)
            promise.left -= taken
            self._promised -= taken
            size -= taken

    def short(self, size: int) -> int:
        """How many bytes must go before so many more fit; 0 where they do, or never will."""
        if self._quota is not None and size > self._quota:
            return 0
        return max(0, self._over_quota(size), self._over_disk(size))

    def _over_quota(self, size: int) -> int:
        if self._quota is None:
            return 0
        return self.blobs + self.staged + self._promised + size - self._quota

    def _over_disk(self, size: int) -> int:
        return self._promised + size + self._reserve - self._free()

    def _check(self, size: int) -> None:
        if size <= 0:
            return
        if (over := self._over_quota(size)) > 0:
            raise NoSpaceError(f"the quota of {self._quota} bytes is {over} bytes too small")
        if (short := self._over_disk(size)) > 0:
            raise NoSpaceError(f"the disk is {short} bytes short, beyond the configured reserve")
