"""A backup that is made under load is one moment of the mirror, whole."""

import asyncio
import stat
from pathlib import Path

import pytest

from homeport.mirror.model.config import StoreConfig
from homeport.mirror.store.api import BACKUP, StoreError
from homeport.mirror.store.backup import back_up, restore
from homeport.mirror.store.sweep import Sweep
from homeport.mirror.store.verify import verify
from homeport.oci.digest import digest_of
from testbed.load import Clock, Worker, images, stores
from testbed.stores import LOCAL, blob, file_blobs, image, put_blob, sqlite_metadata


async def fill(folder: Path, *names: str) -> None:
    async with file_blobs(folder) as blobs, sqlite_metadata(folder) as metadata:
        for name in names:
            await put_blob(blobs, name.encode())
            digest, size = digest_of(name.encode()), len(name)
            await metadata.link_blob(LOCAL, digest, size, at=1.0, durable=True)
            await metadata.put_manifest(LOCAL, image(name, name), tags=[name], at=1.0, durable=True)


def test_a_second_backup_copies_what_is_new_and_restores(tmp_path: Path) -> None:
    async def scenario() -> None:
        data, backup, new = tmp_path / "data", tmp_path / "backup", tmp_path / "new"
        await fill(data, "one", "two")
        report = await back_up(data, backup, clock=lambda: 1.0)
        assert (report.blobs, report.copied, report.size) == (2, 2, 6)
        await fill(data, "three")
        async with sqlite_metadata(data) as metadata:
            await metadata.delete_manifest(LOCAL, image("one", "one").digest)
            await metadata.unlink_blob(LOCAL, blob("one"))
            assert await metadata.forget(blob("one"), now=1.0)
        report = await back_up(data, backup, clock=lambda: 2.0)
        assert (report.blobs, report.copied, report.size) == (2, 1, 5)

        report = await restore(backup, new)
        assert (report.blobs, report.missing) == (2, ())
        assert stat.S_IMODE((new / "metadata.db").stat().st_mode) == 0o600
        async with file_blobs(new) as blobs, sqlite_metadata(new) as metadata:
            assert [info.size async for info in blobs.walk()] in ([3, 5], [5, 3])
            assert list(await metadata.tags(LOCAL, after="", limit=9)) == ["three", "two"]
            assert (await verify(blobs, metadata, clock=lambda: 1.0)).faults == ()
            # Nothing of the one that was backed up is still held or leased.
            assert await metadata.take_lease(BACKUP, "me", now=0.0, until=1.0)
        with pytest.raises(StoreError, match="has a mirror already"):
            await restore(backup, new)

    asyncio.run(scenario())


def test_what_cannot_be_copied_is_refused_or_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        data, backup = tmp_path / "data", tmp_path / "backup"
        with pytest.raises(StoreError, match="no mirror in"):
            await back_up(data, backup, clock=lambda: 1.0)
        await fill(data, "one", "two")
        with pytest.raises(StoreError, match="inside the data folder"):
            await back_up(data, data / "backup", clock=lambda: 1.0)
        with pytest.raises(StoreError, match="no backup in"):
            await restore(backup, tmp_path / "new")
        async with sqlite_metadata(data) as metadata:
            await metadata.take_lease(BACKUP, "another", now=0.0, until=9.0)
            with pytest.raises(StoreError, match="another backup"):
                await back_up(data, backup, clock=lambda: 1.0)
            await metadata.release_lease(BACKUP, "another")
        name = blob("one").partition(":")[2]
        (data / "blobs" / "sha256" / name[:2] / name).write_bytes(b"onE")
        report = await back_up(data, backup, clock=lambda: 1.0)
        assert (report.blobs, report.copied, report.missing) == (2, 1, (blob("one"),))
        report = await restore(backup, tmp_path / "new")
        assert report.missing == (blob("one"),)

    asyncio.run(scenario())


def test_a_backup_under_load_is_whole(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = Clock()
        data = tmp_path / "data"
        reports = []
        async with stores(data, clock) as (blobs, metadata):
            sweep = Sweep(blobs, metadata, StoreConfig(), clock)

            async def sweeping() -> None:
                while len(reports) < 2:
                    await sweep.collect()
                    await sweep.evict(50)
                    await asyncio.sleep(0)

            first = Worker(blobs, metadata, clock, 99)
            await first.push(image("first", "layer"), [b"config-first", b"layer"])
            async with asyncio.TaskGroup() as group:
                group.create_task(sweeping())
                for number in range(8):
                    group.create_task(Worker(blobs, metadata, clock, number).work())
                reports.append(await back_up(data, tmp_path / "backup", clock=clock))
                reports.append(await back_up(data, tmp_path / "backup", clock=clock))
        assert reports[0].missing == reports[1].missing == ()
        await restore(tmp_path / "backup", tmp_path / "new")
        async with stores(tmp_path / "new", clock) as (blobs, metadata):
            assert (await verify(blobs, metadata, clock=clock)).faults == ()
            assert await images(blobs, metadata) > 0

    asyncio.run(scenario())
