"""What is special about metadata in SQLite: damage, versions, durability, groups."""

import asyncio
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from homeport.mirror.errors import NoSpaceError
from homeport.mirror.store.api import Change, StoreError
from homeport.mirror.store.sqlite.metadata import open_metadata
from homeport.mirror.store.sqlite.schema import MIGRATIONS
from homeport.mirror.store.sqlite.writer import Writer
from homeport.oci.digest import digest_of
from testbed.stores import LOCAL, NGINX, blob, image, link, put, sqlite_metadata


def test_a_restart_finds_everything(tmp_path: Path) -> None:
    async def scenario() -> None:
        manifest = image("a", "layer")
        async with sqlite_metadata(tmp_path) as metadata:
            await put(metadata, NGINX, manifest, "t")
            await link(metadata, NGINX, "layer")
        async with sqlite_metadata(tmp_path) as metadata:
            assert await metadata.manifest(NGINX, manifest.digest) == manifest
            assert await metadata.blob(NGINX, blob("layer")) == 100
        for name in tmp_path.iterdir():
            assert stat.S_IMODE(name.stat().st_mode) == 0o600

    asyncio.run(scenario())


@pytest.mark.parametrize("damage", [b"this is not a database, it is something else" * 100, None])
def test_a_damaged_file_says_what_to_do(tmp_path: Path, damage: bytes | None) -> None:
    async def scenario() -> None:
        path = tmp_path / "metadata.db"
        if damage is None:
            async with sqlite_metadata(tmp_path) as metadata:
                await link(metadata, NGINX, *(f"b{number}" for number in range(200)))
            content = bytearray(path.read_bytes())
            content[100:4096] = b"\xff" * 3996
            path.write_bytes(content)
        else:
            path.write_bytes(damage)
        with pytest.raises(StoreError, match=r"damaged.*homeport mirror restore"):
            await open_metadata(path, clock=lambda: 0.0)

    asyncio.run(scenario())


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "metadata.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
        with pytest.raises(StoreError, match="newer homeport"):
            await open_metadata(path, clock=lambda: 0.0)

    asyncio.run(scenario())


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(StoreError, match=r"nowhere/metadata\.db"):
            await open_metadata(tmp_path / "nowhere" / "metadata.db", clock=lambda: 0.0)

    asyncio.run(scenario())


def test_a_durable_write_makes_its_transaction_full(tmp_path: Path) -> None:
    """`PRAGMA synchronous` as the transaction itself sees it: 1 is NORMAL, 2 is FULL."""

    def level(connection: sqlite3.Connection, _: list[Change]) -> int:
        (found,) = connection.execute("PRAGMA synchronous").fetchone()
        return int(found)

    async def scenario() -> None:
        writer = Writer(tmp_path / "x.db")
        found = [await writer.write(level, durable=bool(n % 2)) for n in range(4)]
        assert found == [1, 2, 1, 2]
        grouped = await asyncio.gather(*(writer.write(level, durable=n == 3) for n in range(9)))
        assert 2 in grouped
        assert grouped[3] == 2
        async with writer.batch():
            assert await writer.write(level) == 2
        await writer.close()

    asyncio.run(scenario())


def test_writes_that_wait_share_a_commit_and_one_that_fails_fails_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        writer = Writer(tmp_path / "x.db")
        commits: list[str] = []
        await writer.write(lambda c, _: c.set_trace_callback(commits.append))
        await writer.write(lambda c, _: c.execute("CREATE TABLE t (n INTEGER UNIQUE)"))

        def insert(number: int) -> asyncio.Task[object]:
            work = writer.write(
                lambda c, _: c.execute("INSERT INTO t VALUES (:n)", {"n": number}), durable=True
            )
            return asyncio.ensure_future(work)

        commits.clear()
        tasks = [insert(number % 90) for number in range(100)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(result, StoreError) for result in results) == 10
        assert commits.count("COMMIT") < 20
        count = await writer.write(lambda c, _: c.execute("SELECT count(*) FROM t").fetchone())
        assert count == (90,)
        await writer.close()
        with pytest.raises(StoreError, match="closed"):
            await writer.write(lambda _, __: None)

    asyncio.run(scenario())


def test_a_full_disk_undoes_the_write_and_a_later_one_works(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with sqlite_metadata(tmp_path) as metadata:
            writer = metadata._writer  # type: ignore[attr-defined]
            (pages,) = await writer.write(lambda c, _: c.execute("PRAGMA page_count").fetchone())
            await writer.write(lambda c, _: c.execute(f"PRAGMA max_page_count={pages}").fetchone())
            with pytest.raises(NoSpaceError):
                await link(metadata, LOCAL, *(f"blob-{number}" for number in range(500)))
            await writer.write(lambda c, _: c.execute("PRAGMA max_page_count=100000").fetchone())
            await link(metadata, LOCAL, "later")
            assert await metadata.blob(LOCAL, digest_of(b"later")) == 100

    asyncio.run(scenario())


def test_a_cancelled_write_has_happened_and_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with sqlite_metadata(tmp_path) as metadata:
            seen: list[Change] = []
            metadata.subscribe(seen.append)
            task = asyncio.create_task(link(metadata, NGINX, "x"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await link(metadata, NGINX, "y")
            assert [change.key for change in seen] == [blob("x"), blob("y")]

    asyncio.run(scenario())
