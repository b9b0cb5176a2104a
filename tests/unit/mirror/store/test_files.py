"""What is special about blobs as files: modes, links, one process, full disks, cancellation."""

import asyncio
import errno
import json
import os
import stat
import threading
from pathlib import Path

import pytest

from homeport.mirror.errors import NoSpaceError
from homeport.mirror.store import quarantine
from homeport.mirror.store.api import StoreError
from homeport.mirror.store.disk import Disk
from homeport.mirror.store.files import open_blobs
from homeport.mirror.store.staged import BATCH, BATCHES, LEAST, batch_of
from homeport.oci.digest import digest_of
from testbed.stores import content_of, file_blobs, put_blob


class Full(Disk):
    """Has room for `left` bytes; writes what fits, as a real disk does."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.error = errno.ENOSPC

    def write(self, descriptor: int, data: bytes | bytearray, offset: int) -> None:
        super().write(descriptor, data[: self.left], offset)
        if len(data) > self.left:
            raise OSError(self.error, os.strerror(self.error))
        self.left -= len(data)


def test_nobody_else_may_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        before = os.umask(0)
        try:
            async with file_blobs(tmp_path / "data") as blobs:
                await put_blob(blobs, b"secret")
                await (await blobs.stage("fill-1")).close()
                staged = await blobs.stage("fill-2")
                await staged.append(b"x")
                await staged.quarantine("why")
        finally:
            os.umask(before)
        every = [tmp_path / "data", *(tmp_path / "data").rglob("*")]
        modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in every}
        assert modes == {(True, 0o700), (False, 0o600)}

    asyncio.run(scenario())


def test_links_are_not_followed(tmp_path: Path) -> None:
    async def scenario() -> None:
        secret = tmp_path / "secret"
        secret.write_bytes(b"secret")
        async with file_blobs(tmp_path / "data") as blobs:
            (tmp_path / "data" / "staged" / "fill-1").symlink_to(secret)
            with pytest.raises(StoreError):
                await blobs.stage("fill-1", fresh=True)
            digest = digest_of(b"x")
            home = tmp_path / "data" / "blobs" / "sha256" / digest[7:9] / digest[7:]
            home.parent.mkdir()
            home.symlink_to(secret)
            with pytest.raises(StoreError):
                await blobs.open(digest)
            assert list(await blobs.staged()) == []
            assert [info async for info in blobs.walk()] == []
        assert secret.read_bytes() == b"secret"

    asyncio.run(scenario())


def test_a_folder_has_one_process(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with file_blobs(tmp_path):
            with pytest.raises(StoreError, match="another homeport process uses"):
                await open_blobs(tmp_path, quota=None, reserve=0, clock=lambda: 0.0)
        async with file_blobs(tmp_path):
            pass

    asyncio.run(scenario())


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    async def scenario() -> None:
        with pytest.raises(StoreError, match="data"):
            await open_blobs(tmp_path / "data", quota=None, reserve=0, clock=lambda: 0.0)

    asyncio.run(scenario())


def test_a_restart_continues_and_counts(tmp_path: Path) -> None:
    async def scenario() -> None:
        content = os.urandom(BATCH + 100_000)
        async with file_blobs(tmp_path) as blobs:
            await put_blob(blobs, b"blob")
            staged = await blobs.stage("fill-1")
            await staged.append(content[:BATCH])
            await staged.append(content[BATCH : BATCH + 1000])
            # Not closed: the store's own closing keeps what waits in memory.
        async with file_blobs(tmp_path) as blobs:
            usage = await blobs.usage()
            assert (usage.blobs, usage.staged) == (4, BATCH + 1000)
            staged = await blobs.stage("fill-1")
            assert staged.size == BATCH + 1000
            await staged.append(content[staged.size :])
            await staged.commit(digest_of(content), durable=True)
            await staged.close()
            assert await content_of(blobs, digest_of(content)) == content

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, error: int) -> None:
    async def scenario() -> None:
        disk = Full(BATCH + 500)
        disk.error = error
        blobs = await open_blobs(tmp_path, quota=None, reserve=0, clock=lambda: 0.0, disk=disk)
        staged = await blobs.stage("fill-1")
        first, tail = b"a" * BATCH, b"b" * 400
        await staged.append(first)
        await staged.append(tail)
        with pytest.raises(NoSpaceError):
            await staged.append(b"c" * BATCH)
        assert staged.size == BATCH + 400
        assert (await blobs.usage()).staged == BATCH + 400
        assert (tmp_path / "staged" / "fill-1").stat().st_size == BATCH
        assert await staged.read(BATCH - 2, 2) == b"aa"
        assert await staged.read(BATCH, 1000) == tail
        disk.left = 10 * BATCH
        await staged.append(b"d")
        await staged.commit(digest_of(first + tail + b"d"), durable=True)
        await staged.close()
        await blobs.close()

    asyncio.run(scenario())


def test_a_broken_disk_is_a_store_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        disk = Full(0)
        disk.error = errno.EIO
        blobs = await open_blobs(tmp_path, quota=None, reserve=0, clock=lambda: 0.0, disk=disk)
        staged = await blobs.stage("fill-1")
        await staged.append(b"x")
        with pytest.raises(StoreError, match=r"writing fill-1.*Input/output"):
            await staged.commit(digest_of(b"x"), durable=True)
        await staged.drop()
        assert (await blobs.usage()).staged == 0
        await blobs.close()

    asyncio.run(scenario())


def test_the_reserve_stays_free(tmp_path: Path) -> None:
    class Small(Disk):
        def free(self, path: Path) -> int:  # noqa: ARG002
            return 1000

    async def scenario() -> None:
        blobs = await open_blobs(tmp_path, quota=None, reserve=900, clock=lambda: 0.0, disk=Small())
        assert (await blobs.usage()).free == 100
        with pytest.raises(NoSpaceError, match="reserve"):
            await blobs.reserve(101)
        promised = await blobs.reserve(60)
        with pytest.raises(NoSpaceError):
            await blobs.reserve(60)
        promised.release()
        with pytest.raises(ValueError, match="negative"):
            await blobs.reserve(-1)
        await blobs.close()

    asyncio.run(scenario())


def test_room_is_made_before_a_reservation_fails(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with file_blobs(tmp_path, quota=100) as blobs:
            asked: list[int] = []

            async def evict(needed: int) -> int:
                asked.append(needed)
                await asyncio.sleep(0)
                return await blobs.delete(digest_of(b"x" * 60))

            blobs.when_full = evict  # type: ignore[attr-defined]
            await put_blob(blobs, b"x" * 60)
            await blobs.reserve(40)
            assert asked == []
            promised = await asyncio.gather(blobs.reserve(20), blobs.reserve(30))
            assert asked == [20]
            assert len(promised) == 2
            with pytest.raises(NoSpaceError):
                await blobs.reserve(101)  # never fits: nothing is evicted for it
            assert asked == [20]
            with pytest.raises(NoSpaceError):
                await blobs.reserve(11)
            assert asked == [20, 1]

    asyncio.run(scenario())


def test_a_cancelled_writer_leaves_the_counts_right(tmp_path: Path) -> None:
    class Slow(Disk):
        def __init__(self) -> None:
            self.begun = threading.Event()
            self.go = threading.Event()

        def sync(self, descriptor: int) -> None:
            self.begun.set()
            self.go.wait(10)
            super().sync(descriptor)

    async def scenario() -> None:
        disk = Slow()
        blobs = await open_blobs(tmp_path, quota=None, reserve=0, clock=lambda: 0.0, disk=disk)
        staged = await blobs.stage("upload-1")
        await staged.append(b"content")
        task = asyncio.create_task(staged.commit(digest_of(b"content"), durable=True))
        await asyncio.to_thread(disk.begun.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        disk.go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        # It happened all the same, and is counted.
        usage = await blobs.usage()
        assert (usage.blobs, usage.staged) == (7, 0)
        assert await content_of(blobs, digest_of(b"content")) == b"content"
        await (await blobs.stage("upload-1")).drop()
        await blobs.close()

    asyncio.run(scenario())


def test_a_descriptor_can_be_kept_over_close(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with file_blobs(tmp_path) as blobs:
            digest = await put_blob(blobs, b"content")
            blob = await blobs.open(digest)
            assert blob is not None
            assert blob.descriptor is not None
            kept = os.dup(blob.descriptor)
            blob.close()
            assert blob.descriptor is None
            with pytest.raises(ValueError, match="closed"):
                await blob.read(0, 1)
            assert os.pread(kept, 99, 0) == b"content"
            os.close(kept)

    asyncio.run(scenario())


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    async def scenario() -> None:
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        async with file_blobs(tmp_path) as blobs:
            for number in range(20):
                digest = await put_blob(blobs, b"%d" % number, f"upload-{number}")
                blob = await blobs.open(digest)
                assert blob is not None
                await blob.read(0, 1_000_000)
                blob.close()
                staged = await blobs.stage("fill-1")
                await staged.append(b"x")
                await staged.drop()
                await staged.close()
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

    asyncio.run(scenario())


def test_the_quarantine_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "MAX_COUNT", 3)
    monkeypatch.setattr(quarantine, "MAX_BYTES", 25)

    async def scenario() -> None:
        now = 0.0
        blobs = await open_blobs(tmp_path, quota=None, reserve=0, clock=lambda: now)
        for number, size in enumerate((10, 10, 30, 10, 10, 10)):
            now += 1.0
            staged = await blobs.stage(f"fill-sha256:{number}")
            await staged.append(b"x" * size)
            await staged.quarantine(f"reason {number}")
        await blobs.close()
        names = {path.name for path in (tmp_path / "quarantine").iterdir()}
        assert len(names) == 4  # bytes allow two contents
        kept = sorted(name for name in names if name.endswith(".json"))
        notes = [json.loads((tmp_path / "quarantine" / name).read_text()) for name in kept]
        assert [note["reason"] for note in notes] == ["reason 4", "reason 5"]
        assert notes[0]["name"] == "fill-sha256:4"

    asyncio.run(scenario())


def test_what_waits_in_memory_is_shared_by_all_that_are_staged() -> None:
    assert batch_of(0) == batch_of(1) == BATCH
    assert 20 * batch_of(20) <= BATCHES
    assert batch_of(1000) == LEAST
