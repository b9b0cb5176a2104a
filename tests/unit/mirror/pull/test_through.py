"""Past the store: where there is no space, and for ranges far ahead of a fill."""

import asyncio

import pytest

from homeport.mirror.errors import CutError, NoSpaceError
from homeport.mirror.model.record import Cache
from homeport.mirror.pull.fill import staging_key
from homeport.mirror.pull.fill_policy import FillPolicy
from homeport.mirror.store.memory.blobs import MemoryBlobs
from homeport.oci.digest import digest_of
from homeport.remote import errors as remote
from testbed.reader import KIB, POLICY, bench, blob, settle
from testbed.scripted_upstream import Gate, Scene

CONTENT, DIGEST = blob(300 * KIB)
SIZE = len(CONTENT)
WRONG = CONTENT[:250_000] + b"!" + CONTENT[250_001:]


class Full(MemoryBlobs):
    """Promises space, and has only so much."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def take(self, key: str, size: int) -> None:
        if sum(map(len, self.partial.values())) + size > self.room:
            raise NoSpaceError("disk full")
        super().take(key, size)


# no space


def test_without_space_a_blob_goes_through_and_is_verified() -> None:
    async def scenario() -> None:
        async with bench(blobs=MemoryBlobs(quota=100 * KIB)) as b:
            await b.show(CONTENT)
            client = await b.get(DIGEST)
            assert client.headers["Content-Length"] == str(SIZE)
            assert await client.rest() == CONTENT
            assert client.cache is Cache.THROUGH
            assert (b.fills.counts.spilled, b.fills.counts.through) == (1, 1)
            assert not b.blobs.partial
            await settle()
            assert len(b.upstream.gets()) == 1  # the size was known: only the way through
            b.blobs.quota = None  # there is space again
            stored = await b.get(DIGEST)
            assert (await stored.rest(), stored.cache) == (CONTENT, Cache.MISS)

    asyncio.run(scenario())


def test_wrong_bytes_that_go_through_never_complete() -> None:
    async def scenario() -> None:
        async with bench(blobs=MemoryBlobs(quota=1)) as b:
            await b.show(CONTENT)
            b.upstream.default = Scene(content=WRONG)
            client = await b.get(DIGEST)
            with pytest.raises(CutError, match="wrong"):
                await client.rest()
            assert len(client.got) <= SIZE - POLICY.withheld

    asyncio.run(scenario())


def test_a_cut_on_the_way_through_is_resumed() -> None:
    async def scenario() -> None:
        async with bench(blobs=MemoryBlobs(quota=1)) as b:
            await b.show(CONTENT)
            b.upstream.scenes = [Scene(cut=100 * KIB), Scene(ranges=False)]
            assert await (await b.get(DIGEST)).rest() == CONTENT

    asyncio.run(scenario())


def test_a_range_inside_goes_through_by_itself() -> None:
    async def scenario() -> None:
        async with bench(blobs=MemoryBlobs(quota=1)) as b:
            await b.show(CONTENT)
            client = await b.get(DIGEST, "bytes=1000-1999")
            assert (client.status, await client.rest()) == (206, CONTENT[1000:2000])
            assert (b.upstream.gets()[-1].start, b.upstream.gets()[-1].stop) == (1000, 2000)

    asyncio.run(scenario())


def test_a_range_with_the_end_is_answered_with_the_whole_because_that_can_be_verified() -> None:
    async def scenario() -> None:
        async with bench(blobs=MemoryBlobs(quota=1)) as b:
            await b.show(CONTENT)
            client = await b.get(DIGEST, "bytes=1000-")
            assert (client.status, await client.rest()) == (200, CONTENT)
            b.upstream.default = Scene(content=WRONG)
            client = await b.get(DIGEST, "bytes=-10")
            with pytest.raises(CutError):
                await client.rest()

    asyncio.run(scenario())


@pytest.mark.parametrize("says_size", [False, 0, 17])
def test_a_size_that_is_not_said_or_wrong_completes_nothing_wrong(says_size: bool | int) -> None:
    async def scenario() -> None:
        async with bench(blobs=MemoryBlobs(quota=1)) as b:
            await b.show(CONTENT, size=0)
            b.upstream.default = Scene(says_size=says_size)
            if says_size is False:
                client = await b.get(DIGEST)
                assert "Content-Length" not in client.headers
                assert await client.rest() == CONTENT
            elif says_size == 0:
                assert (await b.refusal(DIGEST)).status == 502
            else:
                client = await b.get(DIGEST)
                with pytest.raises(CutError):
                    await client.rest()

    asyncio.run(scenario())


@pytest.mark.parametrize("start", [0, 1000, 60 * KIB])
def test_a_disk_that_fills_up_in_the_middle_interrupts_no_client(start: int) -> None:
    """Also one that began in the middle: its prefix is hashed from what the fill had."""

    async def scenario() -> None:
        async with bench(blobs=Full(100 * KIB)) as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={80 * KIB: gate})]
            clients = [await b.get(DIGEST, f"bytes={start}-") for _ in range(3)]
            await clients[0].take(80 * KIB - start)
            await clients[1].take(10)
            gate.open()
            for client in clients:
                assert await client.rest() == CONTENT[start:]
                assert client.cache is Cache.THROUGH
            await settle()
            assert not b.blobs.partial
            assert DIGEST not in b.blobs.content
            resumed = sorted(each.start for each in b.upstream.gets())
            assert resumed[0] == 0
            assert all(each >= start for each in resumed[1:])
            assert resumed[-1] >= 80 * KIB

    asyncio.run(scenario())


def test_after_a_spill_wrong_bytes_do_not_complete_either() -> None:
    async def scenario() -> None:
        async with bench(blobs=Full(100 * KIB)) as b:
            await b.show(CONTENT)
            b.upstream.scenes = [Scene()]
            b.upstream.default = Scene(content=WRONG)
            client, ranged = await b.get(DIGEST), await b.get(DIGEST, "bytes=10-")
            for each in (client, ranged):
                with pytest.raises(CutError, match="wrong"):
                    await each.rest()

    asyncio.run(scenario())


def test_after_a_spill_a_range_inside_goes_on_without_a_verdict() -> None:
    async def scenario() -> None:
        async with bench(blobs=Full(100 * KIB)) as b:
            await b.show(CONTENT)
            client = await b.get(DIGEST, "bytes=10-204799")
            assert await client.rest() == CONTENT[10:204800]
            assert b.upstream.gets()[-1].stop == 204800

    asyncio.run(scenario())


def test_a_slow_client_does_not_keep_the_space() -> None:
    async def scenario() -> None:
        async with bench(blobs=Full(100 * KIB)) as b:
            await b.show(CONTENT)
            slow = await b.get(DIGEST)
            await slow.take(1)
            while b.fills.running(DIGEST):
                await asyncio.sleep(0.001)
            assert staging_key(DIGEST) not in b.blobs.partial
            assert await slow.rest() == CONTENT

    asyncio.run(scenario())


def test_a_store_that_cannot_be_read_after_a_spill_cuts_what_cannot_be_verified() -> None:
    class Blind(Full):
        async def stage(self, *arguments: object, **more: object):  # type: ignore[no-untyped-def]
            staged = await super().stage(*arguments, **more)  # type: ignore[arg-type]

            async def read(offset: int, length: int) -> bytes:  # noqa: ARG001
                return b""

            staged.read = read  # type: ignore[method-assign]
            return staged

    async def scenario() -> None:
        async with bench(blobs=Blind(100 * KIB)) as b:
            await b.show(CONTENT)
            client, inside = await b.get(DIGEST), await b.get(DIGEST, "bytes=0-204799")
            with pytest.raises(CutError, match="verified"):
                await client.rest()
            assert await inside.rest() == CONTENT[:204800]

    asyncio.run(scenario())


def test_only_so_many_go_through_at_once_and_the_rest_waits_its_turn() -> None:
    async def scenario() -> None:
        policy = FillPolicy(withheld=4 * KIB, throughs=2)
        async with bench(blobs=MemoryBlobs(quota=1), policy=policy) as b:
            await b.show(CONTENT)

            async def one() -> bytes:
                return await (await b.get(DIGEST)).rest()

            gate = Gate()
            b.upstream.default = Scene(gates={KIB: gate})
            clients = [asyncio.create_task(one()) for _ in range(8)]
            await settle()
            assert (b.upstream.active, len(b.upstream.gets())) == (2, 2)
            gate.open()
            assert {await client for client in clients} == {CONTENT}
            assert b.upstream.most_active == 2
            assert b.fills.counts.through == 8

    asyncio.run(scenario())


def test_who_waits_too_long_for_a_turn_is_told_to_come_back() -> None:
    async def scenario() -> None:
        policy = FillPolicy(withheld=4 * KIB, throughs=1, through_wait=0.01)
        async with bench(blobs=MemoryBlobs(quota=1), policy=policy) as b:
            await b.show(CONTENT)
            first = await b.get(DIGEST)
            told = await b.refusal(DIGEST)
            assert (told.status, told.headers["Retry-After"]) == (429, "10")
            assert await first.rest() == CONTENT
            assert await (await b.get(DIGEST)).rest() == CONTENT

    asyncio.run(scenario())


def test_a_client_that_leaves_gives_its_turn_back() -> None:
    async def scenario() -> None:
        policy = FillPolicy(withheld=4 * KIB, throughs=1, through_wait=0.5)
        async with bench(blobs=MemoryBlobs(quota=1), policy=policy) as b:
            await b.show(CONTENT)
            for _ in range(3):
                client = await b.get(DIGEST)
                await client.take(1)
                await client.leave()
                await client.leave()
            assert await (await b.get(DIGEST)).rest() == CONTENT

    asyncio.run(scenario())


def test_an_upstream_that_fails_on_the_way_through_says_why() -> None:
    async def scenario() -> None:
        async with bench(blobs=MemoryBlobs(quota=1)) as b:
            await b.show(CONTENT)
            b.upstream.scenes = [Scene(error=remote.DeniedError("no", status=403))]
            assert (await b.refusal(DIGEST)).status == 403
            assert b.upstream.active == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("rounds", [0, 1, 2, 5])
def test_a_stop_in_the_middle_of_a_spill_leaves_nothing_open(rounds: int) -> None:
    async def scenario() -> None:
        async with bench(blobs=Full(250 * KIB)) as b:
            await b.show(CONTENT)
            client = await b.get(DIGEST)
            await client.take(200 * KIB)
            while not b.fills.counts.spilled:
                await asyncio.sleep(0)
            for _ in range(rounds):
                await asyncio.sleep(0)
            await b.fills.close()
            assert not b.blobs.partial
            try:
                assert await client.rest() == CONTENT
            except CutError:
                assert CONTENT.startswith(client.got)

    asyncio.run(scenario())


# far ahead


def test_a_range_far_ahead_has_its_own_request_and_is_not_stored() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={10 * KIB: gate})]
            first = await b.get(DIGEST)
            await first.take(1)
            client = await b.get(DIGEST, "bytes=200000-200999")
            assert (client.status, await client.rest()) == (206, CONTENT[200000:201000])
            assert client.cache is Cache.THROUGH
            assert (b.upstream.gets()[-1].start, b.upstream.gets()[-1].stop) == (200000, 201000)
            assert b.fills.counts.through == 1
            gate.open()
            assert await first.rest() == CONTENT

    asyncio.run(scenario())


def test_a_range_near_the_fill_waits_for_it() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={10 * KIB: gate})]
            first = await b.get(DIGEST)
            await first.take(10 * KIB)
            client = await b.get(DIGEST, f"bytes={10 * KIB + POLICY.ahead}-{200_000}")
            gate.open()
            assert await client.rest() == CONTENT[10 * KIB + POLICY.ahead : 200_001]
            assert await first.rest() == CONTENT
            assert len(b.upstream.gets()) == 1

    asyncio.run(scenario())


def test_a_range_far_ahead_with_the_end_waits_for_the_verdict() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={10 * KIB: gate})]
            client = await b.get(DIGEST, "bytes=200000-")
            got = await client.take(SIZE - 200_000 - POLICY.withheld)
            assert got == CONTENT[200_000 : SIZE - POLICY.withheld]
            more = asyncio.create_task(client.rest())
            await settle()
            assert not more.done()
            gate.open()
            assert await more == CONTENT[200_000:]
            assert client.cache is Cache.THROUGH

    asyncio.run(scenario())


def test_what_went_ahead_is_compared_with_the_verified_blob() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={10 * KIB: gate}), Scene(content=WRONG)]
            client = await b.get(DIGEST, "bytes=200000-")
            await client.take(10)
            gate.open()
            with pytest.raises(CutError, match="wrong"):
                await client.rest()
            assert len(client.got) <= SIZE - 200_000 - POLICY.withheld
            await settle()
            assert b.blobs.content[DIGEST] == CONTENT

    asyncio.run(scenario())


def test_what_went_ahead_of_a_fill_that_fails_is_cut() -> None:
    async def scenario() -> None:
        async with bench(blobs=Full(100 * KIB)) as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={10 * KIB: gate})]
            client = await b.get(DIGEST, "bytes=200000-")
            await client.take(10)
            gate.open()
            with pytest.raises(CutError, match="verified"):
                await client.rest()

    asyncio.run(scenario())


@pytest.mark.parametrize("scene", [Scene(ranges=False), Scene(error=remote.FailedError("no"))])
def test_without_a_way_ahead_the_client_waits_for_the_fill(scene: Scene) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={10 * KIB: gate}), scene, scene]
            asking = asyncio.create_task(b.get(DIGEST, "bytes=200000-200999"))
            await settle()
            gate.open()
            client = await asking
            assert await client.rest() == CONTENT[200000:201000]
            assert client.cache is Cache.MISS

    asyncio.run(scenario())


def test_a_way_ahead_that_does_not_open_in_time_is_given_up() -> None:
    """All connections may be busy, one of them with this very fill."""

    async def scenario() -> None:
        policy = FillPolicy(withheld=4 * KIB, ahead=64 * KIB, ahead_wait=0.01)
        async with bench(policy=policy) as b:
            await b.show(CONTENT)
            gate, never = Gate(), Gate()
            b.upstream.scenes = [Scene(gates={10 * KIB: gate}), Scene(wait=never)]
            client = await b.get(DIGEST, "bytes=200000-200999")
            assert never.reached.is_set()
            gate.open()
            assert await client.rest() == CONTENT[200000:201000]
            assert client.cache is Cache.MISS

    asyncio.run(scenario())


def test_ways_ahead_are_limited_and_the_end_alone_needs_none() -> None:
    async def scenario() -> None:
        policy = FillPolicy(withheld=4 * KIB, ahead=64 * KIB, throughs=1)
        async with bench(policy=policy) as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={10 * KIB: gate})]
            one = await b.get(DIGEST, "bytes=200000-200999")
            two = await b.get(DIGEST, "bytes=200000-200999")
            end = await b.get(DIGEST, "bytes=-100")
            assert len(b.upstream.gets()) == 2
            assert await one.rest() == CONTENT[200000:201000]
            gate.open()
            assert await two.rest() == CONTENT[200000:201000]
            assert await end.rest() == CONTENT[-100:]
            assert [c.cache for c in (one, two)] == [Cache.THROUGH, Cache.JOINED]

    asyncio.run(scenario())


def test_through_avoids_the_sources_that_lied() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(content=WRONG, source="bad.example")]
            b.upstream.default = Scene(source="good.example", gates={10 * KIB: gate})
            first = await b.get(DIGEST)
            with pytest.raises(CutError):
                await first.rest()
            joined = await b.get(DIGEST)
            ahead = asyncio.create_task(b.get(DIGEST, "bytes=200000-200999"))
            await settle()
            assert b.upstream.gets()[-1].avoid == {"bad.example"}
            gate.open()
            assert await (await ahead).rest() == CONTENT[200000:201000]
            assert await joined.rest() == CONTENT

    asyncio.run(scenario())


def test_the_digest_of_the_test_is_right() -> None:
    assert digest_of(WRONG) != DIGEST
