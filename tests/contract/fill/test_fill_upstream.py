"""The fill over real HTTP: what it relies on in an upstream, beyond the words of the Protocol."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from homeport.mirror.errors import CutError
from homeport.mirror.model.config import UpstreamConfig
from homeport.mirror.model.record import Cache
from homeport.mirror.pull.fill import staging_key
from homeport.mirror.pull.fill_policy import FillPolicy
from homeport.mirror.upstream.chain import make_upstream
from testbed.fake_registry import FakeRegistry, Fault
from testbed.reader import KIB, Bench, bench, blob

CONTENT, DIGEST = blob(1024 * KIB)
SIZE = len(CONTENT)
NAME = "library/app"
POLICY = FillPolicy(ahead=256 * KIB)


@asynccontextmanager
async def chained(
    *, registries: int = 1, shown: int | None = SIZE
) -> AsyncIterator[tuple[Bench, list[FakeRegistry]]]:
    """A bench whose upstream is a chain of registries that all have the blob. `shown` is the size
    that a manifest says; None: no manifest shows it."""
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(bench(policy=POLICY))
        fakes = [FakeRegistry(host=f"127.0.0.{n + 1}") for n in range(registries)]
        for fake in fakes:
            await stack.enter_async_context(fake)
            fake.add_blob(NAME, CONTENT)
        config = UpstreamConfig(name="docker.io", urls=tuple(fake.url for fake in fakes))
        upstream = make_upstream(config, clock=time.time, env={})
        stack.push_async_callback(upstream.close)
        stack.push_async_callback(made.fills.close)
        made.others["docker.io"] = upstream  # type: ignore[assignment]
        if shown is not None:
            await made.refer(DIGEST, NAME, size=shown)
        yield made, fakes


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 20))


async def ended(b: Bench) -> None:
    while b.fills.running(DIGEST):
        await asyncio.sleep(0.001)


def test_twenty_clients_are_one_request() -> None:
    async def scenario() -> None:
        async with chained() as (b, (fake,)):
            clients = await asyncio.gather(*(b.get(DIGEST) for _ in range(20)))
            bodies = await asyncio.gather(*(client.rest() for client in clients))
            assert set(bodies) == {CONTENT}
            assert len(fake.asked("/blobs/")) == 1
            assert fake.sent == SIZE

    run(scenario())


def test_the_first_bytes_do_not_wait_for_more() -> None:
    async def scenario() -> None:
        async with chained() as (b, (fake,)):
            fault = fake.on("/blobs/", Fault(hold=100))
            client = await b.get(DIGEST)
            assert CONTENT.startswith(await client.take(1))
            assert len(client.got) <= 100
            fault.release()
            assert await client.rest() == CONTENT

    run(scenario())


def test_a_cut_is_resumed_by_range() -> None:
    async def scenario() -> None:
        async with chained() as (b, (fake,)):
            fake.on("/blobs/", Fault(cut=300 * KIB), times=2)
            client = await b.get(DIGEST)
            assert await client.rest() == CONTENT
            asked = [seen.headers.get("range") for seen in fake.asked("/blobs/")]
            assert asked == [None, f"bytes={300 * KIB}-", f"bytes={600 * KIB}-"]
            assert fake.sent == SIZE

    run(scenario())


def test_a_cut_goes_on_at_the_next_source() -> None:
    async def scenario() -> None:
        async with chained(registries=2) as (b, (first, second)):
            first.on("/blobs/", Fault(cut=300 * KIB), times=1)
            first.on("/blobs/", Fault(status=503))
            assert await (await b.get(DIGEST)).rest() == CONTENT
            asked = [seen.headers.get("range") for seen in second.asked("/blobs/")]
            assert asked == [f"bytes={300 * KIB}-"]

    run(scenario())


@pytest.mark.parametrize("fault", [{"no_range": True}, {"no_length": True}])
def test_upstreams_without_range_or_length_work(fault: dict[str, bool]) -> None:
    async def scenario() -> None:
        async with chained(shown=0) as (b, (fake,)):
            fake.on("/blobs/", Fault(cut=300 * KIB, **fault), times=1)  # type: ignore[arg-type]
            fake.on("/blobs/", Fault(**fault))  # type: ignore[arg-type]
            client = await b.get(DIGEST)
            if "no_length" in fault:
                # Nobody can tell this cut from an end, but by the digest.
                assert "Content-Length" not in client.headers
                with pytest.raises(CutError):
                    await client.rest()
                client = await b.get(DIGEST)
            assert await client.rest() == CONTENT

    run(scenario())


def test_wrong_bytes_are_avoided() -> None:
    async def scenario() -> None:
        async with chained(registries=2) as (b, (first, second)):
            first.on("/blobs/", Fault(corrupt=SIZE - 1))
            client = await b.get(DIGEST)
            with pytest.raises(CutError):
                await client.rest()
            assert await (await b.get(DIGEST)).rest() == CONTENT
            assert (len(first.asked("/blobs/")), len(second.asked("/blobs/"))) == (1, 1)
            assert len(b.blobs.quarantined) == 1

    run(scenario())


def test_a_partial_that_is_complete_is_found_so() -> None:
    async def scenario() -> None:
        async with chained(shown=0) as (b, (fake,)):
            b.blobs.partial[staging_key(DIGEST)] = bytearray(CONTENT)
            assert await (await b.get(DIGEST)).rest() == CONTENT
            assert [seen.headers["range"] for seen in fake.asked("/blobs/")] == [f"bytes={SIZE}-"]

    run(scenario())


def test_a_range_far_ahead_is_a_request_of_its_own() -> None:
    async def scenario() -> None:
        async with chained() as (b, (fake,)):
            fault = fake.on("/blobs/", Fault(hold=100), times=1)
            first = await b.get(DIGEST)
            await fault.held.wait()
            client = await b.get(DIGEST, "bytes=500000-500999")
            assert (await client.rest(), client.cache) == (CONTENT[500000:501000], Cache.THROUGH)
            end = await b.get(DIGEST, "bytes=700000-")
            await end.take(200_000)
            fault.release()
            assert await end.rest() == CONTENT[700000:]
            assert await first.rest() == CONTENT

    run(scenario())


def test_without_space_clients_go_through() -> None:
    async def scenario() -> None:
        async with chained() as (b, (fake,)):
            b.blobs.quota = 100 * KIB
            assert await (await b.get(DIGEST)).rest() == CONTENT
            assert await (await b.get(DIGEST, "bytes=5-9")).rest() == CONTENT[5:10]
            assert len(fake.asked("/blobs/")) == 2

    run(scenario())


def test_a_head_without_a_link_and_one_for_a_mirror_that_says_404_to_it() -> None:
    async def scenario() -> None:
        async with chained(shown=None) as (b, (fake,)):
            reply = await b.ask(DIGEST, method="HEAD")
            assert reply.headers["Content-Length"] == str(SIZE)
            fake.on("/blobs/", Fault(status=404), method="HEAD")
            reply = await b.ask(DIGEST, method="HEAD")
            assert reply.headers["Content-Length"] == str(SIZE)
            assert await (await b.get(DIGEST)).rest() == CONTENT

    run(scenario())


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(status=401), 403),
        (Fault(status=403), 403),
        (Fault(status=404), 404),
        (Fault(status=429, headers={"Retry-After": "7"}), 429),
        (Fault(status=500), 502),
        (Fault(media_type="text/html", body=b"<html>sign in</html>"), 502),
    ],
)
def test_an_upstream_that_fails_is_told_as_the_table_says(fault: Fault, status: int) -> None:
    async def scenario() -> None:
        async with chained() as (b, (fake,)):
            fake.on("/blobs/", fault)
            told = await b.refusal(DIGEST)
            assert told.status == status
            assert told.outcome is not None
            assert told.outcome.upstream_url
            if status == 429:
                assert told.headers["Retry-After"] == "7"

    run(scenario())
