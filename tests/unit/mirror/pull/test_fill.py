"""The fill of a blob: one download, many clients, and everything that goes wrong on the way."""

import asyncio
from typing import Any

import pytest

from homeport.mirror.errors import CutError, NoSpaceError, RegistryError
from homeport.mirror.model.names import Repository
from homeport.mirror.model.record import Cache
from homeport.mirror.pull.fill import staging_key
from homeport.mirror.pull.fill_policy import FillPolicy
from homeport.mirror.store.api import Hold, StoreError
from homeport.mirror.store.memory.blobs import MemoryBlobs
from homeport.mirror.store.memory.metadata import MemoryMetadata
from homeport.oci.digest import digest_of
from homeport.oci.error_code import ErrorCode
from homeport.remote import errors as remote
from testbed.reader import KIB, POLICY, bench, blob, settle
from testbed.scripted_upstream import Gate, Scene, ScriptedUpstream

CONTENT, DIGEST = blob(100 * KIB)
HOME = Repository("docker.io", "library/app")


def test_twenty_clients_of_a_cold_blob_cost_one_download() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            clients = await asyncio.gather(*(b.get(DIGEST) for _ in range(20)))
            bodies = await asyncio.gather(*(client.rest() for client in clients))
            assert set(bodies) == {CONTENT}
            assert len(b.upstream.gets()) == 1
            assert b.fills.counts.received == len(CONTENT)
            assert sorted(str(c.cache) for c in clients) == ["joined"] * 19 + ["miss"]
            assert b.blobs.content[DIGEST] == CONTENT
            assert (await b.get(DIGEST)).cache is Cache.HIT

    asyncio.run(scenario())


def test_the_first_bytes_are_forwarded_as_soon_as_they_are_here() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={7: gate})]
            clients = [await b.get(DIGEST) for _ in range(3)]
            for client in clients:
                assert await client.take(1) == CONTENT[:7]
            gate.open()
            for client in clients:
                assert await client.rest() == CONTENT

    asyncio.run(scenario())


def test_the_end_is_withheld_until_the_digest_is_right() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={len(CONTENT): gate})]
            client, late = await b.get(DIGEST), await b.get(DIGEST, "bytes=-10")
            await client.take(len(CONTENT) - 4 * KIB)
            more = asyncio.create_task(client.take(len(CONTENT)))
            tail = asyncio.create_task(late.take(10))
            await gate.reached.wait()
            await settle()
            assert not more.done()
            assert not tail.done()
            assert len(client.got) == len(CONTENT) - 4 * KIB
            gate.open()
            assert await more == CONTENT
            assert await tail == CONTENT[-10:]
            await client.leave()
            await late.leave()

    asyncio.run(scenario())


@pytest.mark.parametrize("size", [0, 1, 4 * KIB - 1, 4 * KIB, 4 * KIB + 1])
def test_small_blobs_come_only_when_they_are_right(size: int) -> None:
    content, digest = blob(size)

    async def scenario() -> None:
        async with bench() as b:
            await b.show(content)
            client = await b.get(digest)
            assert await client.rest() == content
            assert client.headers["Content-Length"] == str(size)

    asyncio.run(scenario())


def test_a_range_that_does_not_include_the_end_completes_while_it_fills() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={50 * KIB: gate})]
            client = await b.get(DIGEST, "bytes=1000-40959")
            assert await client.rest() == CONTENT[1000:40960]
            assert client.status == 206
            assert client.headers["Content-Range"] == f"bytes 1000-40959/{len(CONTENT)}"
            assert DIGEST not in b.blobs.content
            gate.open()

    asyncio.run(scenario())


def test_a_cut_is_resumed_where_it_happened() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.upstream.scenes = [Scene(cut=30 * KIB), Scene(end=70 * KIB, source="two.example")]
            client = await b.get(DIGEST)
            assert await client.rest() == CONTENT
            assert [each.start for each in b.upstream.gets()] == [0, 30 * KIB, 70 * KIB]
            assert b.fills.counts.received == len(CONTENT)
            assert len(b.clock.slept) == 2

    asyncio.run(scenario())


def test_an_upstream_that_ignores_ranges_is_skipped_through() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.upstream.scenes = [Scene(cut=30 * KIB), Scene(ranges=False, chunk=7 * KIB)]
            assert await (await b.get(DIGEST)).rest() == CONTENT
            assert len(b.upstream.gets()) == 2

    asyncio.run(scenario())


def test_attempts_without_progress_end_and_the_partial_is_kept() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.upstream.default = Scene(cut=30 * KIB)
            client = await b.get(DIGEST)
            with pytest.raises(CutError):
                await client.rest()
            assert client.got == CONTENT[: 30 * KIB]
            assert len(b.upstream.gets()) == 1 + POLICY.attempts - 1
            assert b.clock.slept == sorted(b.clock.slept)
            await settle()
            b.upstream.default = Scene()
            assert await (await b.get(DIGEST)).rest() == CONTENT
            assert b.upstream.gets()[-1].start == 30 * KIB

    asyncio.run(scenario())


def test_progress_by_the_byte_does_not_go_on_for_ever() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.upstream.scenes = [Scene(cut=30 * KIB + n) for n in range(1000)]
            client = await b.get(DIGEST)
            with pytest.raises(CutError):
                await client.rest()
            assert len(b.upstream.gets()) < 20

    asyncio.run(scenario())


def test_a_fill_goes_on_when_all_clients_have_left() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={20 * KIB: gate})]
            client = await b.get(DIGEST)
            await client.take(1)
            await client.leave()
            gate.open()
            await settle()
            assert b.blobs.content[DIGEST] == CONTENT

    asyncio.run(scenario())


def test_a_client_that_is_cancelled_before_the_answer_ends_nothing() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={0: gate}, says_size=False)]
            asking = asyncio.create_task(b.ask(DIGEST))
            await settle()
            asking.cancel()
            await asyncio.wait((asking,))
            gate.open()
            await settle()
            assert b.blobs.content[DIGEST] == CONTENT
            assert b.fills.running(DIGEST) is None

    asyncio.run(scenario())


def test_a_slow_client_holds_nobody_up_and_reads_on_from_the_store() -> None:
    async def scenario() -> None:
        async with bench(policy=FillPolicy(withheld=4 * KIB, recent=8 * KIB, piece=8 * KIB)) as b:
            await b.show(CONTENT)
            slow = await b.get(DIGEST)
            await slow.take(1)
            assert await (await b.get(DIGEST)).rest() == CONTENT
            await settle()
            assert b.fills.running(DIGEST) is None
            assert await slow.rest() == CONTENT

    asyncio.run(scenario())


def test_wrong_bytes_cut_the_clients_and_the_next_source_is_tried() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            wrong = CONTENT[:-1] + b"!"
            b.upstream.scenes = [Scene(content=wrong, source="bad.example")]
            gate = Gate()
            b.upstream.default = Scene(source="good.example", gates={50 * KIB: gate})
            client = await b.get(DIGEST)
            with pytest.raises(CutError, match="wrong"):
                await client.rest()
            assert len(client.got) <= len(CONTENT) - POLICY.withheld
            joined = await b.get(DIGEST)
            assert joined.cache is Cache.JOINED
            gate.open()
            assert await joined.rest() == CONTENT
            assert b.upstream.gets()[-1].avoid == {"bad.example"}
            assert len(b.upstream.gets()) == 2
            (key, reason, content), = b.blobs.quarantined  # fmt: skip
            assert key == staging_key(DIGEST)
            assert "bad.example" in reason
            assert content == wrong

    asyncio.run(scenario())


def test_a_client_that_waits_for_a_small_blob_is_given_the_right_one() -> None:
    content, digest = blob(100)

    async def scenario() -> None:
        async with bench() as b:
            await b.show(content)
            b.upstream.scenes = [Scene(content=b"x" * 100, source="bad.example")]
            b.upstream.default = Scene(source="good.example")
            first = await b.get(digest)
            with pytest.raises(CutError):
                await first.rest()
            assert await (await b.get(digest)).rest() == content

    asyncio.run(scenario())


def test_no_source_with_the_right_bytes_ends_the_fill() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.upstream.default = Scene(content=b"x" * len(CONTENT))
            client = await b.get(DIGEST)
            with pytest.raises(CutError):
                await client.rest()
            await settle()
            assert b.fills.running(DIGEST) is None
            assert DIGEST not in b.blobs.content
            assert not b.blobs.partial
            assert b.fills.counts.failed == 1
            assert client.reply.outcome is not None
            assert "wrong" in str(client.reply.outcome.detail)  # the audit is told why

    asyncio.run(scenario())


def test_of_two_sources_neither_is_blamed_at_first() -> None:
    """A good source that completed what a bad one began must not be avoided for it."""

    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            bad = b"x" * 30 * KIB + CONTENT[30 * KIB :]
            b.upstream.scenes = [
                Scene(content=bad, cut=30 * KIB, source="bad.example"),
                Scene(source="good.example"),
                Scene(content=bad, source="bad.example"),
                Scene(source="good.example"),
            ]
            client = await b.get(DIGEST)
            with pytest.raises(CutError):
                await client.rest()
            await settle()
            assert [each.avoid for each in b.upstream.gets()] == [
                frozenset(), frozenset(), frozenset(), frozenset({"bad.example"})
            ]  # fmt: skip
            assert b.blobs.content[DIGEST] == CONTENT

    asyncio.run(scenario())


def test_more_bytes_than_were_said_are_wrong_bytes() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.upstream.scenes = [Scene(content=CONTENT + b"more", says_size=len(CONTENT))]
            b.upstream.default = Scene(source="good.example")
            client = await b.get(DIGEST)
            with pytest.raises(CutError):
                await client.rest()
            await settle()
            assert b.blobs.content[DIGEST] == CONTENT

    asyncio.run(scenario())


def test_a_blob_without_a_size_is_streamed_in_chunks_and_verified() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT, size=0)  # as schema 1 manifests say it
            b.upstream.default = Scene(says_size=False)
            client = await b.get(DIGEST, "bytes=100-200")
            assert "Content-Length" not in client.headers
            assert client.status == 200
            assert client.reply.body.length is None  # type: ignore[union-attr]
            assert await client.rest() == CONTENT
            hit = await b.get(DIGEST, "bytes=100-200")
            assert (hit.status, await hit.rest()) == (206, CONTENT[100:201])

    asyncio.run(scenario())


def test_the_size_of_the_manifest_stands_in_for_the_upstreams() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.upstream.default = Scene(says_size=False)
            client = await b.get(DIGEST, "bytes=100-200")
            assert (client.status, await client.rest()) == (206, CONTENT[100:201])

    asyncio.run(scenario())


@pytest.mark.parametrize("lie", [-5000, -1, 1, 5000])
def test_a_manifest_that_lies_about_the_size_completes_no_answer(lie: int) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT, size=len(CONTENT) + lie)
            b.upstream.default = Scene(says_size=False)
            client = await b.get(DIGEST)
            with pytest.raises(CutError):
                await client.rest()
            await settle()
            assert b.blobs.content[DIGEST] == CONTENT  # the digest decides

    asyncio.run(scenario())


def test_the_upstreams_size_is_preferred_to_the_manifests() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT, size=17)
            client = await b.get(DIGEST)
            assert client.headers["Content-Length"] == str(len(CONTENT))
            assert await client.rest() == CONTENT

    asyncio.run(scenario())


def test_an_unknown_size_that_ends_early_is_cut_not_blamed() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.upstream.scenes = [Scene(says_size=False, end=10 * KIB)]
            assert await (await b.get(DIGEST)).rest() == CONTENT
            assert not b.blobs.quarantined

    asyncio.run(scenario())


def test_sources_that_disagree_on_the_size_do_not_mix() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.upstream.scenes = [Scene(cut=30 * KIB), Scene(says_size=5), Scene()]
            assert await (await b.get(DIGEST)).rest() == CONTENT

    asyncio.run(scenario())


def test_a_blob_beyond_the_limit_is_refused() -> None:
    async def scenario() -> None:
        async with bench(policy=FillPolicy(largest=50 * KIB)) as b:
            await b.show(CONTENT, size=0)
            assert (await b.refusal(DIGEST)).status == 502
            b.upstream.default = Scene(says_size=False)
            client = await b.get(DIGEST)
            with pytest.raises(CutError):
                await client.rest()

    asyncio.run(scenario())


def test_a_restart_continues_a_partial_file() -> None:
    async def scenario() -> None:
        blobs, metadata = MemoryBlobs(), MemoryMetadata()
        async with bench(blobs=blobs, metadata=metadata) as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={30 * KIB: gate})]
            client = await b.get(DIGEST)
            await client.take(20 * KIB)
            await gate.reached.wait()
            await settle()
            await b.fills.close()
            with pytest.raises(CutError):
                await client.rest()
            assert (await b.refusal(DIGEST)).status == 503
        assert len(blobs.partial[staging_key(DIGEST)]) == 30 * KIB
        async with bench(blobs=blobs, metadata=metadata) as b:
            b.upstream.blobs[HOME.name, DIGEST] = CONTENT
            ranged = await b.get(DIGEST, "bytes=1000-1999")
            assert await ranged.rest() == CONTENT[1000:2000]
            assert await (await b.get(DIGEST)).rest() == CONTENT
            assert [each.start for each in b.upstream.gets()] == [30 * KIB]

    asyncio.run(scenario())


def test_a_partial_that_is_complete_needs_no_upstream() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.blobs.partial[staging_key(DIGEST)] = bytearray(CONTENT)
            assert await (await b.get(DIGEST)).rest() == CONTENT
            assert not b.upstream.gets()

    asyncio.run(scenario())


def test_a_partial_that_is_complete_is_found_so_by_a_416() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT, size=0)
            b.blobs.partial[staging_key(DIGEST)] = bytearray(CONTENT)
            assert await (await b.get(DIGEST)).rest() == CONTENT
            assert len(b.upstream.gets()) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("partial", [b"x" * 30 * KIB, CONTENT + b"longer"])
def test_a_partial_with_wrong_bytes_is_begun_anew_and_nobody_is_blamed(partial: bytes) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.blobs.partial[staging_key(DIGEST)] = bytearray(partial)
            client = await b.get(DIGEST)
            if len(partial) < len(CONTENT):
                with pytest.raises(CutError):
                    await client.rest()
            else:
                assert await client.rest() == CONTENT
            await settle()
            assert b.blobs.content[DIGEST] == CONTENT
            assert all(not each.avoid for each in b.upstream.gets())

    asyncio.run(scenario())


def test_space_is_reserved_before_the_first_byte() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={0: gate})]
            client = await b.get(DIGEST)
            await gate.reached.wait()
            (promised,) = b.blobs.reservations
            assert promised.left == len(CONTENT)
            gate.open()
            assert await client.rest() == CONTENT

    asyncio.run(scenario())


def test_a_manifest_that_says_any_size_evicts_no_more_than_a_bound() -> None:
    """Whoever may push an image anywhere upstream would empty the store by one that says 60 GiB."""

    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT, size=60 * 1024**3)
            asked: list[int] = []
            reserve = b.blobs.reserve

            async def watched(size: int, *, key: str | None = None) -> Any:
                asked.append(size)
                return await reserve(size, key=key)

            b.blobs.reserve = watched
            client = await b.get(DIGEST)
            assert await client.rest() == CONTENT
            assert asked == [POLICY.believed, len(CONTENT)]
            await settle()
            assert not b.blobs.reservations

    asyncio.run(scenario())


def test_a_fill_holds_a_lease_and_keeps_the_sweep_away_while_it_runs() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={0: gate})]
            client = await b.get(DIGEST)
            state = b.metadata._state
            assert state.leases[f"fill:{DIGEST}"][0] == "here"
            assert state.holds[DIGEST, Hold.FILL] > b.clock()
            gate.open()
            assert await client.rest() == CONTENT
            await settle()
            assert f"fill:{DIGEST}" not in b.metadata._state.leases
            assert (DIGEST, Hold.FILL) not in b.metadata._state.holds
            assert b.metadata._state.blobs[DIGEST] == len(CONTENT)

    asyncio.run(scenario())


def test_what_another_replica_fills_goes_through() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            now = b.clock()
            await b.metadata.take_lease(f"fill:{DIGEST}", "other", now=now, until=now + 60)
            client = await b.get(DIGEST)
            assert await client.rest() == CONTENT
            assert client.cache is Cache.THROUGH
            assert not b.blobs.partial
            b.clock.now += 61  # the other one is gone
            assert (await b.get(DIGEST)).cache is Cache.MISS

    asyncio.run(scenario())


def test_a_blob_that_came_meanwhile_is_not_downloaded_again() -> None:
    class Late(MemoryBlobs):
        async def open(self, digest):  # type: ignore[no-untyped-def]
            found = await super().open(digest)
            if found is None:
                self.put(digest, CONTENT)  # committed right after the look
            return found

    async def scenario() -> None:
        async with bench(blobs=Late()) as b:
            await b.show(CONTENT)
            client = await b.get(DIGEST)
            assert await client.rest() == CONTENT
            assert not b.upstream.gets()

    asyncio.run(scenario())


def test_every_repository_that_joined_is_linked_in_the_end() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            other = Repository("docker.io", "other/app")
            b.upstream.blobs[other.name, DIGEST] = CONTENT
            gate = Gate()
            b.upstream.scenes = [Scene(gates={0: gate})]
            client = await b.get(DIGEST)
            joined = asyncio.create_task(b.get(DIGEST, name=other.name))
            await settle()
            gate.open()
            assert await client.rest() == CONTENT
            assert await (await joined).rest() == CONTENT
            await settle()
            assert await b.metadata.blob(other, DIGEST) == len(CONTENT)
            assert len([g for g in b.upstream.gets() if g.stop is None]) == 1

    asyncio.run(scenario())


def test_another_repository_s_upstream_goes_on_where_the_first_gave_up() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            quay = b.others["quay.io"] = ScriptedUpstream("quay.io")
            quay.blobs["o/app", DIGEST] = CONTENT
            gate = Gate()
            b.upstream.scenes = [Scene(gates={30 * KIB: gate}, cut=30 * KIB)]
            b.upstream.default = Scene(error=remote.FailedError("down", status=503))
            client = await b.get(DIGEST)
            await client.take(1)
            joined = await b.get(DIGEST, name="o/app", upstream="quay.io")
            gate.open()
            assert await client.rest() == CONTENT
            assert await joined.rest() == CONTENT
            assert [g.start for g in quay.gets()] == [30 * KIB]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("error", "status", "asked"),
    [
        (remote.NotFoundError("none", status=404), 404, 1),
        (remote.DeniedError("no", status=401), 403, 1),
        (remote.BusyError("slow", retry_after=7), 429, 1),
        (remote.TimedOutError("silent"), 504, 1),
        (remote.UnreachableError("refused"), 502, 1),
        (remote.ForbiddenTargetError("inside"), 502, 1),
        (remote.FailedError("oops", status=500), 502, 2),
    ],
)
def test_a_fill_that_cannot_begin_says_why(
    error: remote.RemoteError, status: int, asked: int
) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.upstream.default = Scene(error=error)
            told = await b.refusal(DIGEST)
            assert told.status == status
            assert len(b.upstream.gets()) == asked
            assert told.outcome is not None
            assert told.outcome.digest == DIGEST
            await settle()
            assert not b.blobs.partial
            b.upstream.default = Scene()
            assert await (await b.get(DIGEST)).rest() == CONTENT

    asyncio.run(scenario())


def test_a_429_in_the_middle_is_waited_out() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.upstream.scenes = [
                Scene(cut=30 * KIB),
                Scene(error=remote.BusyError("slow down", retry_after=12)),
            ]
            assert await (await b.get(DIGEST)).rest() == CONTENT
            assert 12 in b.clock.slept

    asyncio.run(scenario())


def test_only_so_many_fills_run_at_once() -> None:
    async def scenario() -> None:
        async with bench(policy=FillPolicy(fills=1)) as b:
            await b.show(CONTENT)
            other, digest = blob(10 * KIB, 2)
            await b.show(other)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={0: gate})]
            client = await b.get(DIGEST)
            told = await b.refusal(digest)
            assert (told.status, told.headers["Retry-After"]) == (429, "5")
            gate.open()
            assert await client.rest() == CONTENT

    asyncio.run(scenario())


def test_a_store_that_fails_does_not_fail_the_clients() -> None:
    class Broken(MemoryBlobs):
        async def stage(self, *_: object, **__: object):  # type: ignore[no-untyped-def]
            raise StoreError("read-only file system")

    async def scenario() -> None:
        async with bench(blobs=Broken()) as b:
            await b.show(CONTENT)
            client = await b.get(DIGEST)
            assert (await client.rest(), client.cache) == (CONTENT, Cache.THROUGH)

    asyncio.run(scenario())


def test_a_full_disk_that_leaves_no_room_for_a_lease_does_not_fail_the_clients() -> None:
    class Full(MemoryMetadata):
        async def take_lease(self, *_: object, **__: object) -> bool:
            raise NoSpaceError("database or disk is full")

    async def scenario() -> None:
        async with bench(metadata=Full()) as b:
            await b.show(CONTENT)
            client = await b.get(DIGEST)
            assert (await client.rest(), client.cache) == (CONTENT, Cache.THROUGH)

    asyncio.run(scenario())


def test_a_metadata_store_that_cannot_link_still_lets_the_fill_complete() -> None:
    class Broken(MemoryMetadata):
        async def link_blob(self, *_: object, **__: object) -> None:
            raise StoreError("database is locked")

    async def scenario() -> None:
        async with bench(metadata=Broken()) as b:
            await b.show(CONTENT)
            assert await (await b.get(DIGEST)).rest() == CONTENT

    asyncio.run(scenario())


def test_a_bug_in_a_fill_cuts_its_clients_and_frees_the_digest() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            b.upstream.scenes = [Scene(gates={20 * KIB: None})]  # type: ignore[dict-item]
            client = await b.get(DIGEST)
            with pytest.raises(CutError):
                await client.rest()
            await settle()
            assert b.fills.running(DIGEST) is None
            assert await (await b.get(DIGEST)).rest() == CONTENT

    asyncio.run(scenario())


def test_sha512_blobs_are_filled_and_verified_too() -> None:
    digest = digest_of(CONTENT, "sha512")

    async def scenario() -> None:
        async with bench() as b:
            b.upstream.blobs[HOME.name, digest] = CONTENT
            await b.refer(digest, size=len(CONTENT))
            assert await (await b.get(digest)).rest() == CONTENT
            assert b.blobs.content[digest] == CONTENT

    asyncio.run(scenario())


@pytest.mark.parametrize("rounds", range(25))
def test_close_at_any_moment_leaves_nothing_behind_and_completes_nothing_wrong(rounds: int) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            asking = asyncio.create_task(b.get(DIGEST))
            for _ in range(rounds):
                await asyncio.sleep(0)
            await b.fills.close()
            await asyncio.wait((asking,))
            assert b.fills.running(DIGEST) is None
            ends: Exception | bytes
            try:
                ends = await (await asking).rest()
            except (RegistryError, CutError) as error:
                ends = error
            assert ends == CONTENT or "stopping" in str(getattr(ends, "detail", ends) or ends)
            assert bytes(b.blobs.partial.get(staging_key(DIGEST), b"")) in CONTENT

    asyncio.run(scenario())


def test_downloads_are_paced_by_the_upstream_s_bucket() -> None:
    class Flow:
        taken = 0
        closed = 0

        async def take(self, size: int) -> None:
            self.taken += size

        def close(self) -> None:
            self.closed += 1

    class Shaper:
        def __init__(self) -> None:
            self.down, self.out = Flow(), Flow()
            self.asked: list[object] = []

        def download(self, upstream: str, owner: str = "") -> Flow:
            self.asked.append((upstream, owner))
            return self.down

        def delivery(self, address: str, upstream: str, *, hit: bool) -> Flow:
            self.asked.append((address, upstream, hit))
            return self.out

    async def scenario() -> None:
        shaper = Shaper()
        async with bench(shaper=shaper) as b:
            await b.show(CONTENT)
            client = await b.get(DIGEST)
            body = client.reply.body
            assert body.pace == shaper.out.take  # type: ignore[union-attr]
            assert await client.rest() == CONTENT
            hit = await b.get(DIGEST)
            await hit.rest()
            assert shaper.down.taken == len(CONTENT)
            assert (shaper.down.closed, shaper.out.closed) == (1, 2)
            assert ("docker.io", "10.0.0.1") in shaper.asked
            assert ("10.0.0.1", "docker.io", False) in shaper.asked
            assert ("10.0.0.1", "docker.io", True) in shaper.asked

    asyncio.run(scenario())


def test_an_end_of_an_unknown_size_may_be_a_cut_and_is_not_blamed_at_first() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT, size=0)
            b.upstream.scenes = [Scene(says_size=False, end=30 * KIB)]
            client = await b.get(DIGEST)
            with pytest.raises(CutError):
                await client.rest()
            assert await (await b.get(DIGEST)).rest() == CONTENT
            assert [each.avoid for each in b.upstream.gets()] == [frozenset(), frozenset()]

    asyncio.run(scenario())


def test_a_reload_in_the_middle_is_resumed_with_the_new_settings() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={30 * KIB: gate}, cut=30 * KIB)]
            client = await b.get(DIGEST)
            await client.take(1)
            renewed = b.others["docker.io"] = ScriptedUpstream()
            renewed.blobs[HOME.name, DIGEST] = CONTENT
            gate.open()
            assert await client.rest() == CONTENT
            assert [each.start for each in renewed.gets()] == [30 * KIB]

    asyncio.run(scenario())


def test_an_upstream_that_a_reload_removed_cuts_its_fills() -> None:
    class Gone(dict[str, ScriptedUpstream]):
        def get(self, name: str, default: object = None) -> ScriptedUpstream:  # noqa: ARG002
            raise RegistryError(ErrorCode.DENIED, f"{name} is no upstream any more")

    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={30 * KIB: gate}, cut=30 * KIB)]
            client = await b.get(DIGEST)
            await client.take(1)
            b.others = Gone()
            gate.open()
            with pytest.raises(CutError, match="no upstream"):
                await client.rest()
            await settle()
            assert (await b.refusal(DIGEST)).status == 403

    asyncio.run(scenario())


def test_clients_that_lag_together_read_the_store_once() -> None:
    class Counting(MemoryBlobs):
        reads = 0

        async def stage(self, *arguments: Any, **more: Any) -> Any:
            staged = await super().stage(*arguments, **more)
            read = staged.read

            async def counted(offset: int, length: int) -> bytes:
                self.reads += 1
                return await read(offset, length)

            staged.read = counted  # type: ignore[method-assign]
            return staged

    async def scenario() -> None:
        blobs = Counting()
        policy = FillPolicy(withheld=4 * KIB, recent=16 * KIB, piece=8 * KIB, batch=8 * KIB)
        async with bench(policy=policy, blobs=blobs) as b:
            await b.show(CONTENT)
            slow = [await b.get(DIGEST) for _ in range(20)]
            for client in slow:
                await client.take(1)
            assert await (await b.get(DIGEST)).rest() == CONTENT
            blobs.reads = 0
            while not all(client.done for client in slow):
                for client in slow:
                    if not client.done:
                        await client.take(len(client.got) + 1)
            assert {client.got for client in slow} == {CONTENT}
            assert blobs.reads <= 2 * len(CONTENT) // policy.piece
            for client in slow:
                await client.leave()

    asyncio.run(scenario())
