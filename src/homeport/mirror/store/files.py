"""`Blobs` as files: `blobs/ALGORITHM/ab/HEX`, `staged/KEY`, `quarantine/`, all on one file system.

A blob's file appears by a rename of complete, verified, synced content, and never changes again.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from homeport.mirror.store.api import (
    BlobInfo,
    OpenBlob,
    Reservation,
    Staged,
    StagedInfo,
    StoreError,
    Usage,
)
from homeport.mirror.store.disk import Disk, failing
from homeport.mirror.store.folders import Folders, lock_folder
from homeport.mirror.store.keys import check_key
from homeport.mirror.store.quarantine import Quarantine
from homeport.mirror.store.reading import FileBlob, OpenFile
from homeport.mirror.store.room import Room
from homeport.mirror.store.staged import FileStaged, batch_of, rehash
from homeport.mirror.store.threads import to_the_end
from homeport.oci.digest import Digest, Hash, start_hash

T = TypeVar("T")
THREADS = 8
"""Several may wait for a slow disk's fsync while others write on."""

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


async def open_blobs(
    folder: Path,
    *,
    quota: int | None,
    reserve: int,
    clock: Callable[[], float],
    disk: Disk | None = None,
) -> "FileBlobs":
    """Open, or begin, the store in `folder` (made with mode 0700). `quota` and `reserve` are bytes:
    of everything that is kept, and of the disk to leave free. Raises StoreError, also where another
    process has the folder open."""
    return await asyncio.to_thread(FileBlobs, folder, quota, reserve, clock, disk or Disk())


class FileBlobs:
    """Made by `open_blobs`, in a thread; everything else happens on the event loop or in `run`."""

    def __init__(
        self,
        folder: Path,
        quota: int | None,
        reserve: int,
        clock: Callable[[], float],
        disk: Disk,
    ) -> None:
        self.disk = disk
        self._clock = clock
        self._folders = Folders(folder)
        with failing(f"opening the data folder {folder}"):
            self._folders.make(disk)
            self._lock = lock_folder(folder)
        self._quarantine = Quarantine(self._folders.quarantine, disk)
        self.room = Room(quota=quota, reserve=reserve, free=lambda: disk.free(folder))
        try:
            with failing(f"looking through the data folder {folder}"):
                self.room.blobs = sum(each.size for each in self._folders.all_blobs())
                self.room.staged = sum(each.size for each in self._folders.all_staged())
        except BaseException:
            os.close(self._lock)
            raise
        self._threads = ThreadPoolExecutor(THREADS, "homeport-blobs")
        self._writing: dict[str, FileStaged | None] = {}
        self.when_full: Callable[[int], Awaitable[int]] | None = None
        """Asked to free so many bytes before a reservation fails: `Sweep.evict`."""
        self._freeing = asyncio.Lock()

    async def stat(self, digest: Digest) -> int | None:
        with failing(f"looking for {digest}"):
            try:
                return os.stat(self.home(digest), follow_symlinks=False).st_size  # noqa: PTH116
            except FileNotFoundError:
                return None

    async def open(self, digest: Digest) -> OpenBlob | None:
        """On the event loop: two calls of a few microseconds."""
        with failing(f"opening {digest}"):
            try:
                descriptor = os.open(self.home(digest), _OPEN)
            except FileNotFoundError:
                return None
            size = os.fstat(descriptor).st_size
        return FileBlob(OpenFile(descriptor, self._threads), size)

    async def stage(self, key: str, *, algorithm: str = "sha256", fresh: bool = False) -> Staged:
        check_key(key)
        start_hash(algorithm)
        if key in self._writing:
            raise StoreError(f"{key} is being written")
        self._writing[key] = None
        try:
            return await to_the_end(self._stage(key, algorithm, fresh))
        except asyncio.CancelledError:
            opened = self._writing.get(key)
            if opened is not None:
                await opened.close()
            raise

    async def _stage(self, key: str, algorithm: str, fresh: bool) -> Staged:
        path = self._folders.staged / key
        try:
            descriptor, size, running, before = await self.run(self._begin, path, algorithm, fresh)
        except BaseException:
            del self._writing[key]
            raise
        self.room.staged += size - before
        file = OpenFile(descriptor, self._threads)
        staged = FileStaged(self, path, file, size, (algorithm, running))
        self._writing[key] = staged
        return staged

    def _begin(self, path: Path, algorithm: str, fresh: bool) -> tuple[int, int, Hash, int]:
        with failing(f"staging {path.name}"):
            try:
                before = path.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                before = 0
            descriptor = self.disk.open(path, fresh=fresh)
            try:
                return descriptor, *rehash(descriptor, algorithm), before
            except BaseException:
                os.close(descriptor)
                raise

    async def staged(self) -> Sequence[StagedInfo]:
        found = await self.run(lambda: list(self._folders.all_staged()))
        writing = {key: each.size for key, each in self._writing.items() if each is not None}
        return [StagedInfo(i.key, writing.get(i.key, i.size), i.modified) for i in found]

    async def reserve(self, size: int, *, key: str | None = None) -> Reservation:
        if self.when_full is not None and self.room.short(size):
            async with self._freeing:
                short = self.room.short(size)  # another one may have freed enough meanwhile
                if short:
                    await self.when_full(short)
        return self.room.promise(size, key)

    async def make_durable(self, digest: Digest) -> bool:
        if await self.stat(digest) is None:
            return False
        await self.run(self._sync_home, digest)
        return True

    def _sync_home(self, digest: Digest) -> None:
        with failing(f"syncing {digest}"):
            self.disk.sync_folder(self.home(digest).parent)

    async def quarantine(self, digest: Digest, reason: str) -> bool:
        return await to_the_end(self._quarantine_blob(digest, reason))

    async def _quarantine_blob(self, digest: Digest, reason: str) -> bool:
        size = await self.stat(digest)
        if size is None:
            return False
        await self.run(self.set_aside, self.home(digest), digest, reason)
        self.room.blobs -= size
        return True

    async def delete(self, digest: Digest) -> int:
        return await to_the_end(self._delete(digest))

    async def _delete(self, digest: Digest) -> int:
        freed = await self.run(self._remove, digest)
        self.room.blobs -= freed
        return freed

    def _remove(self, digest: Digest) -> int:
        path = self.home(digest)
        with failing(f"deleting {digest}"):
            try:
                size = path.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                return 0
            self.disk.remove(path)
        return size

    async def walk(self) -> AsyncIterator[BlobInfo]:
        for folder in await self.run(self._folders.blob_folders):
            for info in await self.run(self._folders.blobs_in, folder):
                yield info

    async def usage(self) -> Usage:
        return Usage(self.room.blobs, self.room.staged, self.room.free())

    async def close(self) -> None:
        """Whatever is still staged is kept for `stage` later."""
        for staged in [each for each in self._writing.values() if each is not None]:
            await staged.close()
        await asyncio.to_thread(self._threads.shutdown, wait=True)
        os.close(self._lock)

    # for FileStaged
    def home(self, digest: Digest) -> Path:
        return self._folders.home(digest)

    def run(self, function: Callable[..., T], *arguments: object) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    @property
    def batch(self) -> int:
        return batch_of(len(self._writing))

    def settle(self, key: str, size: int, digest: Digest | None, replaced: int) -> None:
        self._writing.pop(key, None)
        self.room.staged -= size
        if digest is not None:
            self.room.blobs += size - replaced

    def set_aside(self, path: Path, name: str, reason: str) -> None:
        with failing(f"setting {name} aside"):
            self._quarantine.take(path, name, reason, at=self._clock())

    def put_down(self, key: str) -> None:
        self._writing.pop(key, None)
