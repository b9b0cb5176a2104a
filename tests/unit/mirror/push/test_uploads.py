"""end-4, 5, 6, 13 and 14 over stores in memory."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from homeport.mirror.model.config import LimitsConfig
from homeport.mirror.model.endpoint import Uploads
from homeport.mirror.model.names import Route, Target
from homeport.oci.digest import digest_of

CONTENT = bytes(range(256)) * 12
DIGEST = digest_of(CONTENT)


async def _until_cut(content: bytes) -> AsyncIterator[bytes]:
    yield content
    raise ConnectionResetError("the client is gone")


def test_starts_an_upload_whose_location_is_relative(registry: Any) -> None:
    async def scenario() -> None:
        reply = await registry.start()
        session = reply.headers["Docker-Upload-UUID"]
        assert re.fullmatch(r"[0-9a-f-]{36}", session)
        assert reply.status == 202
        assert reply.headers["Location"] == f"/v2/team/app/blobs/uploads/{session}"
        assert reply.headers["Range"] == "0-0"

    asyncio.run(scenario())


def test_keeps_the_name_and_the_namespace_that_the_client_used(registry: Any) -> None:
    async def scenario() -> None:
        target = Target(
            repository=registry.repository,
            asked="registry/app",
            route=Route.NAMESPACE,
            namespace="a.b:5000",
        )
        endpoint = Uploads("registry/app")
        reply = await registry.writer.start_upload(
            registry.request("POST", endpoint), target, endpoint, mountable=registry._mountable
        )
        assert reply.headers["Location"].startswith("/v2/registry/app/blobs/uploads/")
        assert reply.headers["Location"].endswith("?ns=a.b%3A5000")

    asyncio.run(scenario())


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_post_and_put(registry: Any, algorithm: str) -> None:
    async def scenario() -> None:
        digest = digest_of(CONTENT, algorithm)
        session = await registry.session()
        reply = await registry.upload("PUT", session, CONTENT, digest=digest)
        assert reply.status == 201
        assert reply.headers["Location"] == f"/v2/team/app/blobs/{digest}"
        assert reply.headers["Docker-Content-Digest"] == digest
        assert registry.blobs.content == {digest: CONTENT}
        assert await registry.metadata.blob(registry.repository, digest) == len(CONTENT)
        assert await registry.metadata.uploads() == []
        assert await registry.blobs.staged() == []

    asyncio.run(scenario())


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_one_post_with_the_content(registry: Any, algorithm: str) -> None:
    async def scenario() -> None:
        digest = digest_of(CONTENT, algorithm)
        reply = await registry.start(CONTENT, digest=digest)
        assert (reply.status, reply.outcome.digest, reply.outcome.size) == (201, digest, 3072)
        assert registry.blobs.content == {digest: CONTENT}
        assert await registry.metadata.uploads() == []

    asyncio.run(scenario())


def test_an_empty_blob_by_either_way(registry: Any) -> None:
    async def scenario() -> None:
        digest = digest_of(b"")
        assert (await registry.start(digest=digest)).status == 201
        session = await registry.session()
        assert (await registry.upload("PUT", session, digest=digest)).status == 201
        assert registry.blobs.content == {digest: b""}

    asyncio.run(scenario())


def test_chunks_in_order_with_and_without_a_last_one(registry: Any) -> None:
    async def scenario() -> None:
        for last in (True, False):
            session = await registry.session()
            reply = await registry.upload("PATCH", session, CONTENT[:1000], range="0-999")
            assert (reply.status, reply.headers["Range"]) == (202, "0-999")
            reply = await registry.upload("PATCH", session, CONTENT[1000:2000], range="1000-1999")
            assert reply.headers["Range"] == "0-1999"
            if last:
                reply = await registry.upload(
                    "PUT", session, CONTENT[2000:], range="2000-3071", digest=DIGEST
                )
            else:
                await registry.upload("PATCH", session, CONTENT[2000:], range="2000-3071")
                reply = await registry.upload("PUT", session, digest=DIGEST)
            assert reply.status == 201
            assert registry.blobs.content[DIGEST] == CONTENT

    asyncio.run(scenario())


def test_a_stream_without_length(registry: Any) -> None:
    async def scenario() -> None:
        session = await registry.session()
        reply = await registry.upload("PATCH", session, [CONTENT[:7], b"", CONTENT[7:]])
        assert (reply.status, reply.headers["Range"]) == (202, "0-3071")
        assert (await registry.upload("PUT", session, digest=DIGEST)).status == 201

    asyncio.run(scenario())


def test_many_megabytes_are_written_in_blocks(registry: Any) -> None:
    async def scenario() -> None:
        content = bytes(3 * 1024 * 1024 + 17)
        session = await registry.session()
        chunks = (content[at : at + 65_536] for at in range(0, len(content), 65_536))
        await registry.upload("PATCH", session, list(chunks))
        reply = await registry.upload("PUT", session, digest=digest_of(content))
        assert reply.outcome.size == len(content)

    asyncio.run(scenario())


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("wrong", ["0-99", "500-599", "1001-1100", "999-1098"])
def test_a_chunk_out_of_order_changes_nothing(
    registry: Any, refused: Any, method: str, wrong: str
) -> None:
    async def scenario() -> None:
        session = await registry.session()
        await registry.upload("PATCH", session, CONTENT[:1000], range="0-999")
        async with refused(416, "RANGE_INVALID") as why:
            await registry.upload(method, session, bytes(100), range=wrong, digest=DIGEST)
        assert why.error.headers["Range"] == "0-999"
        assert why.error.headers["Location"].endswith(session)
        status = await registry.upload("GET", session)
        assert (status.status, status.headers["Range"]) == (204, "0-999")
        await registry.upload("PATCH", session, CONTENT[1000:], range="1000-3071")
        assert (await registry.upload("PUT", session, digest=DIGEST)).status == 201

    asyncio.run(scenario())


def test_a_first_chunk_that_is_not_the_first(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        session = await registry.session()
        async with refused(416, "RANGE_INVALID") as why:
            await registry.upload("PATCH", session, bytes(100), range="100-199")
        assert why.error.headers["Range"] == "0-0"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "text", ["bytes 0-99", "0-99/100", "99-0", "-99", "0-", "0-9a", "0-99,100-199", "9" * 40]
)
def test_a_content_range_that_is_none(registry: Any, refused: Any, text: str) -> None:
    async def scenario() -> None:
        session = await registry.session()
        async with refused(400, "BLOB_UPLOAD_INVALID"):
            await registry.upload("PATCH", session, bytes(100), range=text)

    asyncio.run(scenario())


def test_content_range_and_length_must_agree(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        session = await registry.session()
        async with refused(400, "SIZE_INVALID"):
            await registry.upload("PATCH", session, bytes(100), range="0-98")
        assert (await registry.upload("GET", session)).headers["Range"] == "0-0"

    asyncio.run(scenario())


def test_a_streamed_chunk_of_another_size_than_its_range(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        session = await registry.session()
        async with refused(400, "SIZE_INVALID"):
            await registry.upload("PATCH", session, [bytes(50), bytes(51)], range="0-99")
        async with refused(400, "SIZE_INVALID"):
            await registry.upload("PATCH", session, [bytes(49)], range="50-99")
        assert (await registry.upload("GET", session)).headers["Range"] == "0-98"

    asyncio.run(scenario())


def test_a_body_shorter_than_its_length_keeps_what_came(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        session = await registry.session()
        async with refused(400, "SIZE_INVALID"):
            await registry.upload("PATCH", session, [CONTENT[:10]], length=11)
        assert (await registry.upload("GET", session)).headers["Range"] == "0-9"

    asyncio.run(scenario())


def test_a_client_that_leaves_goes_on_where_it_was_cut(registry: Any) -> None:
    async def scenario() -> None:
        session = await registry.session()
        with pytest.raises(ConnectionResetError):
            await registry.upload("PATCH", session, _until_cut(CONTENT[:1234]))
        assert (await registry.upload("GET", session)).headers["Range"] == "0-1233"
        await registry.upload("PATCH", session, CONTENT[1234:], range="1234-3071")
        assert (await registry.upload("PUT", session, digest=DIGEST)).status == 201

    asyncio.run(scenario())


def test_a_cancelled_request_leaves_whole_writes(registry: Any) -> None:
    async def scenario() -> None:
        async def stalling() -> AsyncIterator[bytes]:
            yield CONTENT
            await asyncio.Event().wait()

        session = await registry.session()
        task = asyncio.ensure_future(registry.upload("PATCH", session, stalling()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await registry.upload("GET", session)).headers["Range"] == "0-3071"
        assert (await registry.upload("PUT", session, digest=DIGEST)).status == 201

    asyncio.run(scenario())


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_bytes_of_another_digest_end_the_upload(
    registry: Any, refused: Any, algorithm: str
) -> None:
    async def scenario() -> None:
        digest = digest_of(CONTENT, algorithm)
        session = await registry.session()
        async with refused(400, "DIGEST_INVALID"):
            await registry.upload("PUT", session, CONTENT + b"oh no", digest=digest)
        async with refused(404, "BLOB_UPLOAD_UNKNOWN"):
            await registry.upload("GET", session)
        async with refused(400, "DIGEST_INVALID"):
            await registry.start(CONTENT + b"oh no", digest=digest)
        assert registry.blobs.content == {}
        assert await registry.blobs.staged() == []
        assert await registry.metadata.uploads() == []
        assert await registry.metadata.blob(registry.repository, digest) is None

    asyncio.run(scenario())


@pytest.mark.parametrize("digest", ["sha256:abc", "md5:" + "0" * 32, "", DIGEST.upper(), "../x"])
def test_a_malformed_digest_changes_nothing(registry: Any, refused: Any, digest: str) -> None:
    async def scenario() -> None:
        session = await registry.session()
        await registry.upload("PATCH", session, CONTENT)
        async with refused(400, "DIGEST_INVALID"):
            await registry.upload("PUT", session, digest=digest)
        async with refused(400, "DIGEST_INVALID"):
            await registry.start(CONTENT, digest=digest)
        async with refused(400, "DIGEST_INVALID"):
            await registry.start(mount=digest)
        assert (await registry.upload("PUT", session, digest=DIGEST)).status == 201

    asyncio.run(scenario())


def test_the_digest_of_a_put_is_required(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        session = await registry.session()
        async with refused(400, "DIGEST_INVALID"):
            await registry.upload("PUT", session, CONTENT)

    asyncio.run(scenario())


def test_the_algorithm_of_an_upload(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        session = await registry.session(digest_algorithm="sha512")
        (row,) = await registry.metadata.uploads()
        assert (row.session, row.algorithm) == (session, "sha512")
        digest = digest_of(CONTENT, "sha512")
        assert (await registry.upload("PUT", session, CONTENT, digest=digest)).status == 201
        async with refused(400, "DIGEST_INVALID"):
            await registry.session(digest_algorithm="md5")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "name",
    ["", "..", "../../etc/passwd", "0" * 36, "6f0f8bd2-8b3c-4b1c-9d3c-3f2f1f8f0a11", "A" * 5000],
)
def test_sessions_that_are_none(registry: Any, refused: Any, name: str) -> None:
    async def scenario() -> None:
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            async with refused(404, "BLOB_UPLOAD_UNKNOWN"):
                await registry.upload(method, name, CONTENT, digest=DIGEST)

    asyncio.run(scenario())


def test_a_session_belongs_to_its_repository(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        session = await registry.session()
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            async with refused(404, "BLOB_UPLOAD_UNKNOWN"):
                await registry.upload(method, session, b"x", into=registry.other, digest=DIGEST)
        assert (await registry.upload("GET", session)).status == 204

    asyncio.run(scenario())


def test_cancelled_uploads_are_gone(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        for content in (None, CONTENT):
            session = await registry.session()
            if content is not None:
                await registry.upload("PATCH", session, content)
            assert (await registry.upload("DELETE", session)).status == 204
            for method in ("GET", "PATCH", "PUT", "DELETE"):
                async with refused(404, "BLOB_UPLOAD_UNKNOWN"):
                    await registry.upload(method, session, digest=DIGEST)
        assert await registry.blobs.staged() == []

    asyncio.run(scenario())


def test_cancelling_ends_a_request_that_is_writing(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        more = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield CONTENT
            await more.wait()
            yield CONTENT

        session = await registry.session()

        async def patch() -> None:
            async with refused(404, "BLOB_UPLOAD_UNKNOWN"):
                await registry.upload("PATCH", session, body())

        task = asyncio.ensure_future(patch())
        await asyncio.sleep(0.01)
        assert (await registry.upload("DELETE", session)).status == 204
        more.set()
        await task
        assert await registry.blobs.staged() == []
        assert await registry.metadata.uploads() == []

    asyncio.run(scenario())


def test_one_request_writes_at_a_time(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        more = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield CONTENT[:2000]
            await more.wait()
            yield CONTENT[2000:]

        session = await registry.session()
        task = asyncio.ensure_future(registry.upload("PATCH", session, body()))
        await asyncio.sleep(0.01)
        async with refused(409, "BLOB_UPLOAD_INVALID") as why:
            await registry.upload("PATCH", session, CONTENT)
        assert why.error.headers["Retry-After"]
        assert (await registry.upload("GET", session)).status == 204
        more.set()
        assert (await task).headers["Range"] == "0-3071"
        assert (await registry.upload("PUT", session, digest=DIGEST)).status == 201

    asyncio.run(scenario())


def test_a_request_that_waited_for_the_end_of_the_upload(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        more = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield CONTENT
            await more.wait()

        async def late() -> None:
            async with refused(404, "BLOB_UPLOAD_UNKNOWN"):
                await registry.upload("PATCH", session, CONTENT)

        session = await registry.session()
        first = asyncio.ensure_future(registry.upload("PUT", session, body(), digest=DIGEST))
        await asyncio.sleep(0.001)
        second = asyncio.ensure_future(late())
        await asyncio.sleep(0.001)
        more.set()
        assert (await first).status == 201
        await second
        assert await registry.blobs.staged() == []

    asyncio.run(scenario())


def test_an_upload_survives_a_restart(registry: Any) -> None:
    async def scenario() -> None:
        fresh, begun = await registry.session(), await registry.session()
        await registry.upload("PATCH", begun, CONTENT[:1000])
        await registry.restart()
        assert (await registry.upload("GET", fresh)).headers["Range"] == "0-0"
        assert (await registry.upload("GET", begun)).headers["Range"] == "0-999"
        await registry.upload("PATCH", begun, CONTENT[1000:], range="1000-3071")
        assert (await registry.upload("PUT", begun, digest=DIGEST)).status == 201
        assert (await registry.upload("PUT", fresh, CONTENT, digest=DIGEST)).status == 201

    asyncio.run(scenario())


def test_old_uploads_expire_and_busy_or_young_ones_do_not(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        registry.configure(limits=LimitsConfig(upload_age=100))
        old, used = await registry.session(), await registry.session()
        await registry.upload("PATCH", old, CONTENT)
        registry.now += 60
        young = await registry.session()
        await registry.upload("PATCH", used, CONTENT)
        registry.now += 60
        assert await registry.writer.expire() == 1
        async with refused(404, "BLOB_UPLOAD_UNKNOWN"):
            await registry.upload("GET", old)
        assert (await registry.upload("GET", young)).status == 204
        assert (await registry.upload("PUT", used, digest=DIGEST)).status == 201
        assert (await registry.upload("DELETE", young)).status == 204
        assert await registry.blobs.staged() == []

    asyncio.run(scenario())


def test_staged_content_of_no_upload_expires_and_downloads_do_not(registry: Any) -> None:
    async def scenario() -> None:
        registry.configure(limits=LimitsConfig(upload_age=100))
        for key in ("upload-left-over", "fill-sha256"):
            staged = await registry.blobs.stage(key)
            await staged.append(b"x")
            await staged.close()
        assert await registry.writer.expire() == 0
        registry.now += 101
        assert await registry.writer.expire() == 1
        assert [info.key for info in await registry.blobs.staged()] == ["fill-sha256"]

    asyncio.run(scenario())


def test_open_uploads_are_counted(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        registry.configure(limits=LimitsConfig(open_uploads=2, upload_age=100))
        sessions = [await registry.session(), await registry.session()]
        for attempt in (registry.start(), registry.start(CONTENT, digest=DIGEST)):
            async with refused(429, "TOOMANYREQUESTS") as why:
                await attempt
            assert why.error.headers["Retry-After"]
        await registry.upload("DELETE", sessions[0])
        assert (await registry.start()).status == 202
        registry.now += 101
        assert (await registry.start()).status == 202

    asyncio.run(scenario())


def test_a_blob_over_the_limit_is_refused_by_length_and_by_count(
    registry: Any, refused: Any
) -> None:
    async def scenario() -> None:
        registry.configure(limits=LimitsConfig(blob_bytes=3000))
        async with refused(413, "SIZE_INVALID"):
            await registry.start(CONTENT, digest=DIGEST)
        session = await registry.session()
        async with refused(413, "SIZE_INVALID"):
            await registry.upload("PATCH", session, CONTENT)
        assert (await registry.upload("GET", session)).headers["Range"] == "0-0"
        async with refused(413, "SIZE_INVALID"):
            await registry.upload("PATCH", session, [CONTENT[:2000], CONTENT[2000:]])
        assert (await registry.upload("GET", session)).headers["Range"] == "0-1999"

    asyncio.run(scenario())


def test_a_full_store_says_so_and_keeps_the_upload(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        registry.blobs.quota = 3000
        session = await registry.session()
        async with refused(507, "UNAVAILABLE"):
            await registry.upload("PATCH", session, CONTENT)
        await registry.upload("PATCH", session, CONTENT[:2000])
        async with refused(507, "UNAVAILABLE"):
            await registry.upload("PATCH", session, [CONTENT[2000:]])
        assert (await registry.upload("GET", session)).headers["Range"] == "0-1999"
        assert registry.blobs.reservations == []

    asyncio.run(scenario())


def test_a_failed_single_post_leaves_nothing(registry: Any) -> None:
    async def scenario() -> None:
        with pytest.raises(ConnectionResetError):
            await registry.start(_until_cut(CONTENT), digest=DIGEST)
        assert await registry.metadata.uploads() == []
        assert await registry.blobs.staged() == []

    asyncio.run(scenario())
