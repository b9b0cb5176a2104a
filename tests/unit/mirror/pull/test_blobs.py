"""Answers about blobs: headers, ranges, HEAD, and whose blob it is."""

import asyncio
import os
import tempfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.mirror.errors import NoSpaceError
from homeport.mirror.model.exchange import FileBody, StreamBody
from homeport.mirror.model.names import LOCAL, Repository
from homeport.mirror.model.record import Cache
from homeport.mirror.pull.join_links import Links
from homeport.mirror.store.api import StoreError
from homeport.mirror.store.memory.blobs import MemoryBlobs
from homeport.mirror.store.memory.metadata import MemoryMetadata
from homeport.oci.digest import digest_of
from homeport.oci.error_code import ErrorCode
from homeport.remote import errors as remote
from testbed.reader import KIB, Bench, bench, blob, settle
from testbed.scripted_upstream import Gate, Scene, ScriptedUpstream

CONTENT, DIGEST = blob(2048)
HOME = Repository("docker.io", "library/app")
OTHER = Repository("docker.io", "private/app")


async def held(b: Bench, content: bytes = CONTENT) -> str:
    """A blob that is here and linked."""
    digest = await b.show(content)
    b.blobs.put(digest, content)
    await b.metadata.link_blob(HOME, digest, len(content), at=0.0, durable=False)
    return digest


def test_a_hit_has_every_header_and_asks_nobody() -> None:
    async def scenario() -> None:
        async with bench() as b:
            client = await b.get(await held(b), namespace="docker.io")
            assert await client.rest() == CONTENT
            assert client.status == 200
            assert dict(client.headers) == {
                "Accept-Ranges": "bytes",
                "Cache-Control": "max-age=31536000, immutable",
                "Content-Length": "2048",
                "Content-Type": "application/octet-stream",
                "Docker-Content-Digest": DIGEST,
                "ETag": f'"{DIGEST}"',
                "OCI-Namespace": "docker.io",
            }
            assert client.cache is Cache.HIT
            assert not b.upstream.asked

    asyncio.run(scenario())


@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=500-1499", 500, 1499),
        ("bytes=500-", 500, 2047),
        ("bytes=-500", 1548, 2047),
        ("bytes=2000-5000", 2000, 2047),
        ("bytes=0-0", 0, 0),
    ],
)
def test_a_range_is_answered_warm_and_cold(asked: str, first: int, last: int, warm: bool) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await (held(b) if warm else b.show(CONTENT))
            client = await b.get(DIGEST, asked)
            assert await client.rest() == CONTENT[first : last + 1]
            assert client.status == 206
            assert client.headers["Content-Range"] == f"bytes {first}-{last}/2048"
            assert client.headers["Content-Length"] == str(last - first + 1)
            assert client.headers["Docker-Content-Digest"] == DIGEST

    asyncio.run(scenario())


@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize("asked", ["bytes=500-0", "bytes=5000-10000", "bytes=-0"])
def test_what_is_not_in_the_blob_is_416_warm_and_cold(asked: str, warm: bool) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await (held(b) if warm else b.show(CONTENT))
            told = await b.refusal(DIGEST, headers={"Range": asked})
            assert told.status == 416
            assert told.headers["Content-Range"] == "bytes */2048"

    asyncio.run(scenario())


@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=0-1,4-5"},
        {"Range": "lines=1-2"},
        {"Range": "bytes=0-1", "If-Range": '"sha256:other"'},
        {"Range": "bytes=0-1", "If-Range": "Sat, 01 Jan 2026 00:00:00 GMT"},
    ],
)
def test_the_whole_is_the_answer_where_a_range_is_not_for_us(
    headers: dict[str, str], warm: bool
) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await (held(b) if warm else b.show(CONTENT))
            reply = await b.ask(DIGEST, headers=headers)
            assert reply.status == 200
            assert "Content-Range" not in reply.headers
            assert isinstance(reply.body, StreamBody)
            assert reply.body.length == 2048
            await reply.body.close()

    asyncio.run(scenario())


def test_if_range_with_the_digest_lets_the_range_through() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await held(b)
            headers = {"Range": "bytes=0-1", "If-Range": f'"{DIGEST}"'}
            assert (await b.ask(DIGEST, headers=headers)).status == 206

    asyncio.run(scenario())


def test_head_ignores_range_and_says_the_size() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await held(b)
            reply = await b.ask(DIGEST, method="HEAD", headers={"Range": "bytes=5-9"})
            assert (reply.status, reply.body) == (200, b"")
            assert reply.headers["Content-Length"] == "2048"
            assert not b.upstream.asked

    asyncio.run(scenario())


def test_a_cold_head_goes_upstream_and_begins_no_fill() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            reply = await b.ask(DIGEST, method="HEAD")
            assert reply.headers["Content-Length"] == "2048"
            assert [each.method for each in b.upstream.asked] == ["HEAD"]
            assert b.fills.running(DIGEST) is None
            del b.upstream.blobs[HOME.name, DIGEST]
            assert (await b.refusal(DIGEST, method="HEAD")).status == 404

    asyncio.run(scenario())


def test_a_head_while_it_fills_asks_nobody() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={0: gate})]
            client = await b.get(DIGEST)
            reply = await b.ask(DIGEST, method="HEAD")
            assert reply.headers["Content-Length"] == "2048"
            assert not b.upstream.heads()
            gate.open()
            assert await client.rest() == CONTENT

    asyncio.run(scenario())


def test_an_upstream_that_denies_a_head_is_asked_for_one_byte() -> None:
    """A pull-through mirror may say 404 to a HEAD for what it would fetch (distribution 4747)."""

    async def scenario() -> None:
        async with bench() as b:
            b.upstream.blobs[HOME.name, DIGEST] = CONTENT
            b.upstream.head_error = remote.NotFoundError("no", status=404)
            reply = await b.ask(DIGEST, method="HEAD")
            assert reply.headers["Content-Length"] == "2048"
            assert [(g.start, g.stop) for g in b.upstream.gets()] == [(0, 1)]

    asyncio.run(scenario())


def test_a_head_without_a_size_is_completed_by_a_range() -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.upstream.blobs[HOME.name, DIGEST] = CONTENT
            b.upstream.head_says_size = False
            reply = await b.ask(DIGEST, method="HEAD")
            assert reply.headers["Content-Length"] == "2048"
            b.upstream.default = Scene(says_size=False)
            reply = await b.ask(DIGEST, method="HEAD")
            assert (reply.status, "Content-Length" in reply.headers) == (200, False)
            b.upstream.default = Scene(error=remote.TimedOutError("silence"))
            assert (await b.ask(DIGEST, method="HEAD")).status == 200

    asyncio.run(scenario())


@pytest.mark.parametrize("text", ["sha256:xyz", "md5:00", "x", "sha256:" + "A" * 64, "a/../b"])
def test_what_is_no_digest_is_400(text: str) -> None:
    async def scenario() -> None:
        async with bench() as b:
            told = await b.refusal(text)
            assert (told.status, told.code) == (400, ErrorCode.DIGEST_INVALID)
            assert not b.upstream.asked

    asyncio.run(scenario())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("warm", [True, False])
def test_a_client_that_has_the_blob_is_told_so(method: str, warm: bool) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await (held(b) if warm else b.show(CONTENT))
            headers = {"If-None-Match": f'"sha256:other", "{DIGEST}"'}
            reply = await b.ask(DIGEST, method=method, headers=headers)
            assert (reply.status, reply.body) == (304, b"")
            assert reply.headers["ETag"] == f'"{DIGEST}"'
            told = await b.refusal(DIGEST, name=OTHER.name, method=method, headers=headers)
            assert told.status == 404  # not without the right to it

    asyncio.run(scenario())


# whose blob it is


def test_a_guessed_digest_of_another_repository_is_404() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await held(b)
            for method in ("GET", "HEAD"):
                told = await b.refusal(DIGEST, name=OTHER.name, method=method)
                assert (told.status, told.code) == (404, ErrorCode.BLOB_UNKNOWN)
            assert await b.metadata.blob(OTHER, DIGEST) is None

    asyncio.run(scenario())


def test_a_guessed_digest_of_another_upstream_is_404() -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.others["quay.io"] = ScriptedUpstream("quay.io")
            await held(b)
            told = await b.refusal(DIGEST, upstream="quay.io", name=HOME.name)
            assert told.status == 404
            assert len(b.others["quay.io"].heads()) == 1
            assert not b.upstream.asked

    asyncio.run(scenario())


def test_nobody_joins_a_fill_without_a_proof() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await b.show(CONTENT)
            gate = Gate()
            b.upstream.scenes = [Scene(gates={0: gate})]
            client = await b.get(DIGEST)
            for method in ("GET", "HEAD"):
                assert (await b.refusal(DIGEST, name=OTHER.name, method=method)).status == 404
            gate.open()
            assert await client.rest() == CONTENT
            await settle()
            assert await b.metadata.blob(OTHER, DIGEST) is None

    asyncio.run(scenario())


def test_a_repository_whose_own_upstream_shows_the_blob_is_linked_and_hits() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await held(b)
            b.upstream.blobs[OTHER.name, DIGEST] = CONTENT
            client = await b.get(DIGEST, name=OTHER.name)
            assert await client.rest() == CONTENT
            assert client.cache is Cache.HIT
            assert [each.method for each in b.upstream.asked] == ["HEAD"]
            assert await b.metadata.blob(OTHER, DIGEST) == 2048
            assert (await b.get(DIGEST, name=OTHER.name)).cache is Cache.HIT
            assert len(b.upstream.asked) == 1

    asyncio.run(scenario())


def test_what_the_upstream_does_not_have_is_not_asked_for_again_at_once() -> None:
    async def scenario() -> None:
        async with bench() as b:
            assert (await b.refusal(DIGEST)).status == 404
            asked = len(b.upstream.asked)
            told = await b.refusal(DIGEST)
            assert (told.status, told.outcome and told.outcome.cache) == (404, Cache.NEGATIVE)
            assert len(b.upstream.asked) == asked
            b.upstream.blobs[HOME.name, DIGEST] = CONTENT
            b.clock.now += 61
            assert await (await b.get(DIGEST)).rest() == CONTENT

    asyncio.run(scenario())


def test_only_a_true_404_is_remembered() -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.upstream.blobs[HOME.name, DIGEST] = CONTENT
            b.upstream.head_error = remote.FailedError("oops", status=500)
            assert (await b.refusal(DIGEST)).status == 502
            b.upstream.head_error = None
            assert await (await b.get(DIGEST)).rest() == CONTENT

    asyncio.run(scenario())


def test_twenty_clients_without_a_link_cost_one_proof() -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.upstream.blobs[HOME.name, DIGEST] = CONTENT
            clients = await asyncio.gather(*(b.get(DIGEST) for _ in range(20)))
            assert {await client.rest() for client in clients} == {CONTENT}
            assert len(b.upstream.heads()) == 1
            assert len(b.upstream.gets()) == 1

    asyncio.run(scenario())


def test_a_proof_outlives_the_client_that_asked_for_it() -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.upstream.blobs[HOME.name, DIGEST] = CONTENT
            b.upstream.head_gate = Gate()
            first, second = asyncio.create_task(b.get(DIGEST)), asyncio.create_task(b.get(DIGEST))
            await b.upstream.head_gate.reached.wait()
            first.cancel()
            await settle()
            b.upstream.head_gate.open()
            assert await (await second).rest() == CONTENT
            assert first.cancelled()
            assert len(b.upstream.heads()) == 1

    asyncio.run(scenario())


def test_a_proof_that_is_stopped_says_so() -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.upstream.head_gate = Gate()
            asking = asyncio.create_task(b.refusal(DIGEST))
            await b.upstream.head_gate.reached.wait()
            await b.fills.close()
            assert (await asking).status == 503

    asyncio.run(scenario())


def test_an_upstream_that_cannot_be_asked_is_no_404() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await held(b)
            b.upstream.head_error = remote.TimedOutError("silence")
            assert (await b.refusal(DIGEST, name=OTHER.name)).status == 504

    asyncio.run(scenario())


def test_local_repositories_have_what_they_link_and_nothing_else() -> None:
    async def scenario() -> None:
        async with bench() as b:
            await held(b)
            team = Repository(LOCAL, "team/app")
            for method in ("GET", "HEAD"):
                told = await b.refusal(DIGEST, name=team.name, upstream=LOCAL, method=method)
                assert told.status == 404
            await b.metadata.link_blob(team, DIGEST, 2048, at=0.0, durable=True)
            client = await b.get(DIGEST, name=team.name, upstream=LOCAL)
            assert await client.rest() == CONTENT
            reply = await b.ask(DIGEST, name=team.name, upstream=LOCAL, method="HEAD")
            assert reply.headers["Content-Length"] == "2048"
            assert not b.upstream.asked
            await b.blobs.delete(DIGEST)
            for method in ("GET", "HEAD"):
                told = await b.refusal(DIGEST, name=team.name, upstream=LOCAL, method=method)
                assert told.status == 404

    asyncio.run(scenario())


def test_the_overlay_of_a_mirrored_repository_counts() -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.blobs.put(DIGEST, CONTENT)
            await b.metadata.link_blob(HOME.overlay, DIGEST, 2048, at=0.0, durable=True)
            assert await (await b.get(DIGEST)).rest() == CONTENT
            assert not b.upstream.asked

    asyncio.run(scenario())


# the links in memory


def test_a_link_in_memory_lasts_exactly_as_long_as_it_is_true() -> None:
    async def scenario() -> None:
        class Counting(MemoryMetadata):
            asked = 0

            async def blob(self, *arguments: Any) -> int | None:
                self.asked += 1
                return await super().blob(*arguments)

        metadata = Counting()
        async with bench(metadata=metadata) as b:
            await held(b)
            for _ in range(3):
                await (await b.get(DIGEST)).leave()
            assert metadata.asked == 1
            manifest = next(iter(metadata._state.of(HOME)))
            await metadata.unlink_blob(HOME, DIGEST)
            await (await b.get(DIGEST)).leave()  # the manifest still references it
            assert metadata.asked == 2
            await metadata.delete_manifest(HOME, manifest.digest)
            b.upstream.blobs.clear()
            assert (await b.refusal(DIGEST)).status == 404
            assert (await b.refusal(DIGEST)).status == 404  # what is not there is not remembered
            await metadata.link_blob(HOME, DIGEST, 2048, at=0.0, durable=False)
            assert (await b.get(DIGEST)).status == 200

    asyncio.run(scenario())


def test_a_link_that_is_cut_while_it_is_read_is_not_remembered() -> None:
    class Slow(MemoryMetadata):
        gate: Gate | None = None

        async def blob(self, *arguments: Any) -> int | None:
            found = await super().blob(*arguments)
            if self.gate is not None:
                await self.gate.passed()
            return found

    async def scenario() -> None:
        metadata = Slow()
        links = Links(metadata, limit=10)
        await metadata.link_blob(HOME, DIGEST, 5, at=0.0, durable=False)
        metadata.gate = Gate()
        reading = asyncio.create_task(links.size(HOME, DIGEST))
        await metadata.gate.reached.wait()
        await metadata.unlink_blob(HOME, DIGEST)
        metadata.gate.open()
        assert await reading == 5
        metadata.gate = None
        assert await links.size(HOME, DIGEST) is None

    asyncio.run(scenario())


def test_links_in_memory_are_bounded() -> None:
    async def scenario() -> None:
        metadata = MemoryMetadata()
        links = Links(metadata, limit=10)
        digests = [digest_of(bytes([n])) for n in range(50)]
        for n, digest in enumerate(digests):
            await metadata.link_blob(HOME, digest, n + 1, at=0.0, durable=False)
            assert await links.size(HOME, digest) == n + 1
        assert len(links) == 10

    asyncio.run(scenario())


_CHANGES = st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 3)), max_size=40)


@settings(max_examples=50, deadline=None)
@given(_CHANGES)
def test_memory_never_differs_from_the_store(changes: list[tuple[bool, int, int]]) -> None:
    async def scenario() -> None:
        metadata = MemoryMetadata()
        links = Links(metadata, limit=5)
        homes = [Repository("docker.io", f"r{n}") for n in range(3)]
        digests = [digest_of(bytes([n])) for n in range(4)]
        for add, home, which in changes:
            if add:
                await metadata.link_blob(homes[home], digests[which], 7, at=0.0, durable=False)
            else:
                await metadata.unlink_blob(homes[home], digests[which])
            for each in homes:
                for digest in digests:
                    assert await links.size(each, digest) == await metadata.blob(each, digest)

    asyncio.run(scenario())


# the store's ways


class _OpenFile:
    def __init__(self, content: bytes) -> None:
        self.size = len(content)
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self.file.write(content)
        self.file.flush()
        self.closed = 0

    @property
    def descriptor(self) -> int | None:
        return self.file.fileno()

    async def read(self, offset: int, length: int) -> bytes:
        return os.pread(self.file.fileno(), length, offset)

    def close(self) -> None:
        self.closed += 1
        self.file.close()


class _Files(MemoryBlobs):
    def __init__(self) -> None:
        super().__init__()
        self.opened: list[_OpenFile] = []

    async def open(self, digest: Any) -> Any:
        content = self.content.get(digest)
        if content is None:
            return None
        self.opened.append(_OpenFile(content))
        return self.opened[-1]


def test_a_file_is_sent_by_its_descriptor_and_closed_once() -> None:
    async def scenario() -> None:
        blobs = _Files()
        async with bench(blobs=blobs) as b:
            await held(b)
            reply = await b.ask(DIGEST, headers={"Range": "bytes=5-9"})
            assert isinstance(reply.body, FileBody)
            assert (reply.body.offset, reply.body.length, reply.body.pace) == (5, 5, None)
            assert os.pread(reply.body.descriptor, 5, 5) == CONTENT[5:10]
            reply.body.close()
            await b.refusal(DIGEST, headers={"Range": "bytes=9-5"})
            assert [each.closed for each in blobs.opened] == [1, 1]

    asyncio.run(scenario())


def test_a_link_that_cannot_be_written_closes_the_file() -> None:
    class Broken(MemoryMetadata):
        broken = False

        async def link_blob(self, *arguments: Any, **more: Any) -> None:
            if self.broken:
                raise StoreError("disk I/O error")
            await super().link_blob(*arguments, **more)

    async def scenario() -> None:
        blobs, metadata = _Files(), Broken()
        async with bench(blobs=blobs, metadata=metadata) as b:
            await held(b)
            b.upstream.blobs[OTHER.name, DIGEST] = CONTENT
            metadata.broken = True
            told = await b.refusal(DIGEST, name=OTHER.name)
            assert told.status == 500
            assert "I/O" not in told.message
            assert [each.closed for each in blobs.opened] == [1]

    asyncio.run(scenario())


def test_a_full_disk_keeps_no_proven_repository_from_what_is_here() -> None:
    class Full(MemoryMetadata):
        full = False

        async def link_blob(self, *arguments: Any, **more: Any) -> None:
            if self.full:
                raise NoSpaceError("database or disk is full")
            await super().link_blob(*arguments, **more)

        async def hold(self, *arguments: Any, **more: Any) -> None:
            if self.full:
                raise NoSpaceError("database or disk is full")
            await super().hold(*arguments, **more)

    async def scenario() -> None:
        metadata = Full()
        async with bench(metadata=metadata) as b:
            await held(b)
            b.upstream.blobs[OTHER.name, DIGEST] = CONTENT
            metadata.full = True
            for _ in range(2):
                client = await b.get(DIGEST, name=OTHER.name)
                assert (await client.rest(), client.cache) == (CONTENT, Cache.HIT)
            assert await metadata.blob(OTHER, DIGEST) is None

    asyncio.run(scenario())


def test_a_store_that_is_shorter_than_it_says_is_cut() -> None:
    class Short(MemoryBlobs):
        async def open(self, digest: Any) -> Any:
            opened = await super().open(digest)
            if opened is not None:
                opened.size += 1
            return opened

    async def scenario() -> None:
        async with bench(blobs=Short()) as b:
            await held(b)
            client = await b.get(DIGEST)
            with pytest.raises(Exception, match="promised"):
                await client.rest()

    asyncio.run(scenario())


def test_a_large_hit_is_read_in_pieces() -> None:
    content, digest = blob(50 * KIB)

    async def scenario() -> None:
        async with bench() as b:
            await held(b, content)
            client = await b.get(digest)
            body = client.reply.body
            assert isinstance(body, StreamBody)
            pieces = [piece async for piece in body.chunks]
            assert b"".join(pieces) == content
            assert max(map(len, pieces)) == 8 * KIB
            await body.close()
            await body.close()

    asyncio.run(scenario())
