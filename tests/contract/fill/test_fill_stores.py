"""The fill over every store: what it relies on beyond the words of the Protocols."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from homeport.mirror.errors import CutError
from homeport.mirror.model.exchange import FileBody
from homeport.mirror.model.names import Repository
from homeport.mirror.model.record import Cache
from homeport.mirror.pull.fill import staging_key
from homeport.mirror.pull.fill_policy import FillPolicy
from homeport.mirror.store.files import open_blobs
from homeport.mirror.store.memory.blobs import MemoryBlobs
from homeport.mirror.store.memory.metadata import MemoryMetadata
from homeport.mirror.store.sqlite.metadata import open_metadata
from testbed.reader import KIB, Bench, bench, blob
from testbed.scripted_upstream import Gate, Scene

CONTENT, DIGEST = blob(3 * 1024 * KIB)
SIZE = len(CONTENT)
POLICY = FillPolicy(recent=128 * KIB)

Stores = Callable[..., AbstractAsyncContextManager[tuple[Any, Any]]]


@pytest.fixture(params=["memory", "files"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    """Opens the stores; the same content again where it is called again."""
    kept: list[Any] = []

    @asynccontextmanager
    async def opened(*, quota: int | None = None) -> AsyncIterator[tuple[Any, Any]]:
        if request.param == "memory":
            if not kept:
                kept.extend((MemoryBlobs(), MemoryMetadata()))
            kept[0].quota = quota
            yield kept[0], kept[1]
            return
        blobs = await open_blobs(tmp_path / "data", quota=quota, reserve=0, clock=time.time)
        metadata = await open_metadata(tmp_path / "metadata.db", clock=time.time)
        try:
            yield blobs, metadata
        finally:
            await blobs.close()
            await metadata.close()

    return opened


@asynccontextmanager
async def placed(
    stores: Stores, *, policy: FillPolicy, quota: int | None = None
) -> AsyncIterator[Bench]:
    async with (
        stores(quota=quota) as (blobs, metadata),
        bench(policy=policy, blobs=blobs, metadata=metadata) as made,
    ):
        yield made


async def ended(b: Bench) -> None:
    while b.fills.running(DIGEST):
        await asyncio.sleep(0.001)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 20))


def test_twenty_clients_fill_once_and_then_hit(stores: Stores) -> None:
    async def scenario() -> None:
        async with placed(stores, policy=POLICY) as b:
            await b.show(CONTENT)
            clients = await asyncio.gather(*(b.get(DIGEST) for _ in range(20)))
            bodies = await asyncio.gather(*(client.rest() for client in clients))
            assert set(bodies) == {CONTENT}
            assert len(b.upstream.gets()) == 1
            await ended(b)
            hit = await b.get(DIGEST, "bytes=100-199")
            assert (hit.cache, await hit.rest()) == (Cache.HIT, CONTENT[100:200])
            home = Repository("docker.io", "library/app")
            assert await b.metadata.blob(home, DIGEST) == SIZE
            assert await b.metadata.garbage(now=time.time() * 2, limit=10) == []
            if not isinstance(b.blobs, MemoryBlobs):
                assert isinstance(hit.reply.body, FileBody)
            assert list(await b.blobs.staged()) == []

    run(scenario())


def test_a_slow_client_reads_on_after_the_commit(stores: Stores) -> None:
    async def scenario() -> None:
        async with placed(stores, policy=POLICY) as b:
            await b.show(CONTENT)
            slow = await b.get(DIGEST)
            await slow.take(1)
            assert await (await b.get(DIGEST)).rest() == CONTENT
            await ended(b)
            await b.blobs.delete(DIGEST)
            assert await slow.rest() == CONTENT

    run(scenario())


def test_a_partial_outlives_the_process(stores: Stores) -> None:
    async def scenario() -> None:
        half = SIZE // 2 + 17
        async with placed(stores, policy=POLICY) as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={half: gate})]
            client = await b.get(DIGEST)
            await client.take(half)
            await b.fills.close()
            with pytest.raises(CutError):
                await client.rest()
        async with placed(stores, policy=POLICY) as b:
            (left,) = await b.blobs.staged()
            assert (left.key, left.size) == (staging_key(DIGEST), half)
            b.upstream.blobs["library/app", DIGEST] = CONTENT
            assert await (await b.get(DIGEST)).rest() == CONTENT
            assert [each.start for each in b.upstream.gets()] == [half]

    run(scenario())


def test_wrong_bytes_are_set_aside_while_slow_clients_are_cut(stores: Stores) -> None:
    async def scenario() -> None:
        async with placed(stores, policy=POLICY) as b:
            await b.show(CONTENT)
            wrong = b"!" + CONTENT[1:]
            b.upstream.scenes = [Scene(content=wrong, source="bad.example")]
            b.upstream.default = Scene(source="good.example")
            slow = await b.get(DIGEST)
            await slow.take(1)
            await ended(b)
            with pytest.raises(CutError):
                await slow.rest()
            assert await (await b.get(DIGEST)).rest() == CONTENT

    run(scenario())


@pytest.mark.parametrize("start", [0, 1_000_000])
def test_a_quota_that_is_reached_on_the_way_interrupts_no_client(
    stores: Stores, start: int
) -> None:
    """The size is not known before, so that only appending finds out."""

    async def scenario() -> None:
        policy = FillPolicy(recent=128 * KIB, slice=1)
        async with placed(stores, policy=policy, quota=SIZE // 2) as b:
            await b.show(CONTENT, size=0)
            b.upstream.default = Scene(says_size=False)
            clients = [await b.get(DIGEST) for _ in range(4)]
            await clients[0].take(start)
            for client in clients:
                assert await client.rest() == CONTENT
                assert client.cache is Cache.THROUGH
            await ended(b)
            assert list(await b.blobs.staged()) == []
            assert await b.blobs.stat(DIGEST) is None

    run(scenario())


def test_a_quota_without_room_is_found_before_the_first_byte(stores: Stores) -> None:
    async def scenario() -> None:
        async with placed(stores, policy=POLICY, quota=SIZE // 2) as b:
            await b.show(CONTENT)
            client = await b.get(DIGEST)
            assert await client.rest() == CONTENT
            assert len(b.upstream.gets()) == 1
            await ended(b)
            assert (await b.blobs.usage()).staged == 0

    run(scenario())
