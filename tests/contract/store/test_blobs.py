"""The contract of `Blobs`: every implementation behaves like this."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from homeport.mirror.errors import DigestMismatchError, NoSpaceError
from homeport.mirror.store.api import Blobs, StoreError
from homeport.oci.digest import digest_of
from testbed.stores import content_of, file_blobs, memory_blobs, put_blob

Opened = Callable[..., AbstractAsyncContextManager[Blobs]]


@pytest.fixture(params=[file_blobs, memory_blobs], ids=["files", "memory"])
def opened(request: pytest.FixtureRequest) -> Opened:
    found: Opened = request.param
    return found


def run(scenario: Awaitable[None]) -> None:
    async def main() -> None:
        await scenario

    asyncio.run(main())


def test_what_is_committed_is_there_whole_and_in_parts(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        content = bytes(range(256)) * 5000
        async with opened(tmp_path) as blobs:
            digest = await put_blob(blobs, content)
            assert await blobs.stat(digest) == len(content)
            blob = await blobs.open(digest)
            assert blob is not None
            assert blob.size == len(content)
            assert await blob.read(0, len(content)) == content
            assert await blob.read(1000, 300_000) == content[1000:301_000]
            assert await blob.read(len(content) - 3, 10) == content[-3:]
            assert await blob.read(len(content), 10) == b""
            blob.close()
            blob.close()
            assert [(i.digest, i.size) async for i in blobs.walk()] == [(digest, len(content))]
            usage = await blobs.usage()
            assert (usage.blobs, usage.staged) == (len(content), 0)
            assert usage.free > 0

    run(scenario())


def test_what_is_not_there_is_none(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as blobs:
            digest = digest_of(b"nothing")
            assert await blobs.stat(digest) is None
            assert await blobs.open(digest) is None
            assert await blobs.delete(digest) == 0
            assert not await blobs.make_durable(digest)
            assert not await blobs.quarantine(digest, "why")
            assert [each async for each in blobs.walk()] == []
            assert list(await blobs.staged()) == []

    run(scenario())


@pytest.mark.parametrize("size", [0, 1, 1024**2 - 1, 1024**2, 1024**2 + 1, 3 * 1024**2 + 5])
def test_what_is_appended_can_be_read_at_once(opened: Opened, tmp_path: Path, size: int) -> None:
    async def scenario() -> None:
        content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
        async with opened(tmp_path) as blobs:
            staged = await blobs.stage("fill-1")
            for start in range(0, size, 300_000):
                part = memoryview(content)[start : start + 300_000]
                await staged.append(part)
                assert staged.size == start + len(part)
                assert await staged.read(start, 300_000) == bytes(part)
                got = b""
                while more := await staged.read(len(got), 400_000):
                    got += more
                assert got == content[: staged.size]
            assert await staged.read(size, 1) == b""
            assert (await blobs.usage()).staged == size
            await staged.commit(digest_of(content), durable=False)
            assert await staged.read(0, 100) == content[:100]  # a reader that began before
            await staged.close()
            assert await content_of(blobs, digest_of(content)) == content
            assert (await blobs.usage()).staged == 0

    run(scenario())


def test_wrong_bytes_never_become_a_blob(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as blobs:
            staged = await blobs.stage("fill-1")
            await staged.append(b"abc")
            with pytest.raises(DigestMismatchError):
                await staged.commit(digest_of(b"abd"), durable=True)
            assert await blobs.stat(digest_of(b"abd")) is None
            assert await staged.read(0, 9) == b"abc"
            await staged.append(b"d")
            await staged.commit(digest_of(b"abcd"), durable=True)
            with pytest.raises(StoreError):
                await staged.append(b"e")
            with pytest.raises(StoreError):
                await staged.commit(digest_of(b"abcd"), durable=True)
            await staged.close()

    run(scenario())


def test_the_other_algorithm_is_computed_at_the_end(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        content = b"x" * 2_000_000
        digest = digest_of(content, "sha512")
        async with opened(tmp_path) as blobs:
            staged = await blobs.stage("upload-1")
            await staged.append(content)
            with pytest.raises(DigestMismatchError):
                await staged.commit(digest_of(b"y", "sha512"), durable=True)
            await staged.commit(digest, durable=True)
            await staged.close()
            assert await content_of(blobs, digest) == content
            direct = await blobs.stage("upload-2", algorithm="sha512")
            await direct.append(b"z")
            await direct.commit(digest_of(b"z", "sha512"), durable=True)
            await direct.close()
            assert {i.digest async for i in blobs.walk()} == {digest, digest_of(b"z", "sha512")}

    run(scenario())


def test_a_stage_goes_on_where_it_was_left(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as blobs:
            staged = await blobs.stage("fill-sha256:ab")
            await staged.append(b"begin ")
            with pytest.raises(StoreError):
                await blobs.stage("fill-sha256:ab")
            await staged.close()
            assert [(i.key, i.size) for i in await blobs.staged()] == [("fill-sha256:ab", 6)]
            again = await blobs.stage("fill-sha256:ab")
            assert again.size == 6
            await again.append(b"end")
            assert await again.read(6, 100) == b"end"
            await again.commit(digest_of(b"begin end"), durable=True)
            await again.close()
            assert await content_of(blobs, digest_of(b"begin end")) == b"begin end"

            fresh = await blobs.stage("fill-2")
            await fresh.append(b"old")
            await fresh.close()
            fresh = await blobs.stage("fill-2", fresh=True)
            assert fresh.size == 0
            assert (await blobs.usage()).staged == 0
            await fresh.drop()

    run(scenario())


@pytest.mark.parametrize(
    "key", ["", "..", "../x", "a/b", "a\0b", ".hidden", "-x", "a" * 201, "a b", "ä", "a\n"]
)
def test_a_key_is_no_path(opened: Opened, tmp_path: Path, key: str) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as blobs:
            with pytest.raises(ValueError, match="staged"):
                await blobs.stage(key)

    run(scenario())


@pytest.mark.parametrize("leave", ["drop", "quarantine"])
def test_what_left_the_stage_is_gone(opened: Opened, tmp_path: Path, leave: str) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as blobs:
            staged = await blobs.stage("fill-1")
            await staged.append(b"abc")
            await (staged.drop() if leave == "drop" else staged.quarantine("wrong digest"))
            with pytest.raises(StoreError):
                await staged.append(b"d")
            with pytest.raises(StoreError):
                await staged.read(0, 1)
            await staged.close()
            assert list(await blobs.staged()) == []
            again = await blobs.stage("fill-1")
            assert again.size == 0
            await again.drop()

    run(scenario())


def test_a_quarantined_blob_is_served_no_more(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as blobs:
            digest = await put_blob(blobs, b"content")
            assert await blobs.quarantine(digest, "wrong bytes")
            assert await blobs.stat(digest) is None
            assert (await blobs.usage()).blobs == 0

    run(scenario())


def test_an_open_blob_outlives_its_deletion(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as blobs:
            digest = await put_blob(blobs, b"content")
            blob = await blobs.open(digest)
            assert blob is not None
            assert await blobs.delete(digest) == 7
            assert await blobs.stat(digest) is None
            assert await blobs.open(digest) is None
            assert await blob.read(0, 99) == b"content"
            blob.close()
            assert (await blobs.usage()).blobs == 0

    run(scenario())


def test_a_blob_that_comes_twice_is_counted_once(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path) as blobs:
            await put_blob(blobs, b"content", "upload-1")
            digest = await put_blob(blobs, b"content", "upload-2")
            assert (await blobs.usage()).blobs == 7
            assert await blobs.make_durable(digest)

    run(scenario())


def test_the_quota_holds_and_what_is_there_stays(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, quota=100) as blobs:
            await put_blob(blobs, b"x" * 40)
            staged = await blobs.stage("upload-2")
            await staged.append(b"y" * 40)
            with pytest.raises(NoSpaceError):
                await staged.append(b"z" * 21)
            assert staged.size == 40
            assert await staged.read(0, 100) == b"y" * 40
            with pytest.raises(NoSpaceError):
                await blobs.reserve(21)
            await staged.append(b"y" * 20)
            await staged.commit(digest_of(b"y" * 60), durable=True)
            await staged.close()
            with pytest.raises(NoSpaceError):
                await blobs.reserve(1)
            await blobs.delete(digest_of(b"x" * 40))
            (await blobs.reserve(40)).release()

    run(scenario())


def test_reserved_space_is_nobody_elses(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, quota=100) as blobs:
            mine = await blobs.reserve(80, key="fill-1")
            staged = await blobs.stage("fill-1")
            other = await blobs.stage("fill-2")
            with pytest.raises(NoSpaceError):
                await other.append(b"o" * 21)
            await staged.append(b"m" * 80)
            with pytest.raises(NoSpaceError):
                await staged.append(b"m" * 21)
            await other.append(b"o" * 20)
            mine.release()
            mine.release()
            await staged.drop()
            await other.append(b"o" * 80)
            await other.drop()
            assert (await blobs.usage()).staged == 0

    run(scenario())


def test_many_readers_and_writers_at_once(opened: Opened, tmp_path: Path) -> None:
    async def writer(blobs: Blobs, number: int) -> None:
        content = hashlib.sha256(bytes([number])).digest() * 20_000
        staged = await blobs.stage(f"upload-{number}")

        async def reader() -> bytes:
            got = b""
            while len(got) < len(content):
                got += await staged.read(len(got), 65_536)
                await asyncio.sleep(0)
            return got

        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(reader()) for _ in range(3)]
            for start in range(0, len(content), 50_000):
                await staged.append(content[start : start + 50_000])
                await asyncio.sleep(0)
        await staged.commit(digest_of(content), durable=False)
        await staged.close()
        assert all(each.result() == content for each in readers)

    async def scenario() -> None:
        async with opened(tmp_path) as blobs:
            async with asyncio.TaskGroup() as group:
                for number in range(8):
                    group.create_task(writer(blobs, number))
            assert len([each async for each in blobs.walk()]) == 8

    run(scenario())
