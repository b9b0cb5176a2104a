"""Manifests by digest and by cold tag: who is asked, what is stored, what is answered."""

import asyncio
import json

import pytest

from homeport.mirror.model.config import UpstreamConfig
from homeport.mirror.model.record import Cache
from homeport.mirror.store.api import StoreError
from homeport.oci.digest import digest_of
from homeport.oci.error_code import ErrorCode
from homeport.oci.media_type import DOCKER_MANIFEST, JSON, OCI_INDEX, OCI_MANIFEST
from homeport.remote.errors import (
    BusyError,
    CutError,
    DeniedError,
    FailedError,
    ForbiddenTargetError,
    NotFoundError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)
from testbed.reading import NGINX, OTHER, TEAM, image, index, reading, signature


def test_a_cold_tag_costs_a_head_and_a_get_by_digest() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = world.upstream.put(image(), "1")
            reply = await world.get("1")
            assert world.upstream.asked == [("HEAD", "1"), ("GET", digest)]
            assert (reply.status, reply.body) == (200, image())
            assert reply.outcome is not None
            assert reply.outcome.cache is Cache.MISS
            assert reply.outcome.upstream_status == 200
            assert reply.outcome.digest == digest

    asyncio.run(scenario())


def test_the_headers_of_a_manifest() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = world.upstream.put(image(), "1")
            expected = {
                "Content-Type": OCI_MANIFEST,
                "Content-Length": str(len(image())),
                "Docker-Content-Digest": digest,
                "ETag": f'"{digest}"',
                "Docker-Distribution-Api-Version": "registry/2.0",
            }
            for _ in range(2):  # cold, warm
                reply = await world.get("1")
                assert dict(reply.headers) == expected
                head = await world.get("1", method="HEAD")
                assert (dict(head.headers), head.body) == (expected, b"")
                echoed = await world.get("1", namespace="docker.io")
                assert dict(echoed.headers) == {**expected, "OCI-Namespace": "docker.io"}

    asyncio.run(scenario())


def test_a_digest_that_is_held_never_goes_upstream() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = await world.push(image(), repository=NGINX)
            world.upstream.failure = UnreachableError("gone")
            for days in range(3):
                world.clock.pass_by(days * 86_400)
                reply = await world.get(digest)
                assert reply.body == image()
                assert "Warning" not in reply.headers
            assert world.upstream.asked == []

    asyncio.run(scenario())


def test_a_digest_that_another_repository_holds_must_be_proven_by_its_own_upstream() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = await world.push(image(), repository=OTHER)
            error = await world.error(digest)
            assert (error.status, error.code) == (404, ErrorCode.MANIFEST_UNKNOWN)
            assert world.upstream.asked == [("GET", digest)]
            assert await world.metadata.manifest(NGINX, digest) is None

    asyncio.run(scenario())


def test_a_cold_digest_is_fetched_once_and_linked() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = world.upstream.put(image())
            world.upstream.gate = asyncio.Event()
            clients = [asyncio.create_task(world.get(digest)) for _ in range(20)]
            await asyncio.sleep(0.01)
            world.upstream.gate.set()
            replies = await asyncio.gather(*clients)
            assert world.upstream.asked == [("GET", digest)]
            assert {reply.body for reply in replies} == {image()}
            caches = [reply.outcome.cache for reply in replies if reply.outcome]
            assert sorted(caches) == [Cache.JOINED] * 19 + [Cache.MISS]
            assert await world.metadata.manifest(NGINX, digest) is not None
            layer = json.loads(image())["layers"][0]
            assert await world.metadata.blob(NGINX, layer["digest"]) == layer["size"]

    asyncio.run(scenario())


def test_clients_that_go_away_do_not_end_what_others_wait_for() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.put(image(), "1")
            world.upstream.gate = asyncio.Event()
            first = asyncio.create_task(world.get("1"))
            await asyncio.sleep(0.01)
            second = asyncio.create_task(world.get("1"))
            await asyncio.sleep(0.01)
            first.cancel()
            await asyncio.sleep(0.01)
            world.upstream.gate.set()
            assert (await second).body == image()
            assert [method for method, _ in world.upstream.asked] == ["HEAD", "GET"]

    asyncio.run(scenario())


def test_bytes_that_are_not_the_digest_are_refused_and_not_stored() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = world.upstream.put(image("a"), "1")
            world.upstream.content[NGINX.name, digest] = world.upstream.content[
                NGINX.name, world.upstream.put(image("b"))
            ]
            for reference in (digest, "1"):
                error = await world.error(reference)
                assert (error.status, error.code) == (502, ErrorCode.UNAVAILABLE)
                assert digest in str(error.detail)
            assert not await world.metadata.has_repository(NGINX)

    asyncio.run(scenario())


@pytest.mark.parametrize("content", [b"<html>Sign in</html>", b"[1]", b"{}", b"\xff", b"[" * 9999])
@pytest.mark.parametrize("media_type", ["text/html; charset=utf-8", OCI_MANIFEST])
def test_what_is_no_manifest_is_refused_and_not_stored(content: bytes, media_type: str) -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.put(content, "1", media_type=media_type)
            assert (await world.error("1")).status == 502
            assert not await world.metadata.has_repository(NGINX)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("sent", "served"),
    [
        (f"{OCI_MANIFEST}; charset=utf-8", OCI_MANIFEST),
        (JSON, OCI_MANIFEST),
        ("", OCI_MANIFEST),
    ],
)
def test_the_type_is_served_without_parameters(sent: str, served: str) -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.put(image(), "1", media_type=sent)
            assert (await world.get("1")).headers["Content-Type"] == served

    asyncio.run(scenario())


def test_a_type_that_nobody_tells_is_read_from_the_document() -> None:
    async def scenario() -> None:
        async with reading() as world:
            for tag, document, media_type in (
                ("image", image(), OCI_MANIFEST),
                ("index", index(image()), OCI_INDEX),
            ):
                untyped = json.loads(document)
                del untyped["mediaType"]
                content = json.dumps(untyped).encode()
                world.upstream.put(content, tag, media_type=JSON)
                reply = await world.get(tag)
                assert (reply.body, reply.headers["Content-Type"]) == (content, media_type)

    asyncio.run(scenario())


def test_an_upstream_without_digests_or_without_head_is_asked_by_get() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.put(image(), "1")
            world.upstream.says_digest = False
            assert (await world.get("1")).body == image()
            assert world.upstream.asked == [("HEAD", "1"), ("GET", "1")]
        async with reading() as world:
            world.upstream.put(image(), "1")
            world.upstream.failures["HEAD", "1"] = FailedError("no such method", status=405)
            assert (await world.get("1")).body == image()
            assert world.upstream.asked == [("HEAD", "1"), ("GET", "1")]

    asyncio.run(scenario())


def test_a_tag_that_moves_between_head_and_get_is_asked_by_name() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = world.upstream.put(image(), "1")
            world.upstream.remove(digest)
            assert (await world.get("1")).body == image()
            assert world.upstream.asked == [("HEAD", "1"), ("GET", digest), ("GET", "1")]

    asyncio.run(scenario())


def test_a_second_tag_of_a_held_manifest_costs_a_head() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.put(image(), "1", "latest")
            await world.get("1")
            world.upstream.asked.clear()
            assert (await world.get("latest")).body == image()
            assert world.upstream.asked == [("HEAD", "latest")]

    asyncio.run(scenario())


def test_children_of_an_index_are_fetched_when_asked_for() -> None:
    async def scenario() -> None:
        async with reading() as world:
            amd64, arm64 = world.upstream.put(image("amd64")), world.upstream.put(image("arm64"))
            world.upstream.put(index(image("amd64"), image("arm64")), "1")
            assert (await world.get("1")).headers["Content-Type"] == OCI_INDEX
            assert ("GET", amd64) not in world.upstream.asked
            assert (await world.get(amd64)).body == image("amd64")
            assert ("GET", arm64) not in world.upstream.asked

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (NotFoundError("unknown", status=404), 404, ErrorCode.MANIFEST_UNKNOWN),
        (DeniedError("no", status=401), 403, ErrorCode.DENIED),
        (DeniedError("no", status=403), 403, ErrorCode.DENIED),
        (BusyError("slow down", retry_after=7), 429, ErrorCode.TOOMANYREQUESTS),
        (FailedError("broken", status=503), 502, ErrorCode.UNAVAILABLE),
        (UnreachableError("refused"), 502, ErrorCode.UNAVAILABLE),
        (TimedOutError("late"), 504, ErrorCode.TIMEOUT),
        (CutError("cut"), 502, ErrorCode.UNAVAILABLE),
        (ForbiddenTargetError("10.0.0.1"), 502, ErrorCode.UNAVAILABLE),
    ],
)
def test_the_table_of_failures_for_what_is_cold(
    failure: RemoteError, status: int, code: ErrorCode
) -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.failure = failure
            for reference in ("1", digest_of(image())):
                error = await world.error(reference)
                assert (error.status, error.code) == (status, code)
                assert error.outcome is not None
                assert error.outcome.upstream_status == failure.status
                wait = {"Retry-After": "7"} if isinstance(failure, BusyError) else {}
                assert error.headers == wait

    asyncio.run(scenario())


def test_a_black_hole_is_504_in_time_and_what_comes_later_is_stored() -> None:
    async def scenario() -> None:
        async with reading(answer_timeout=0.2) as world:
            world.upstream.put(image(), "1")
            world.upstream.gate = asyncio.Event()
            for reference in ("1", digest_of(image())):
                error = await world.error(reference)
                assert (error.status, error.code) == (504, ErrorCode.TIMEOUT)
            world.upstream.gate.set()
            assert (await world.get("1")).status == 200

    asyncio.run(asyncio.wait_for(scenario(), 5))


@pytest.mark.parametrize("by_digest", [False, True])
def test_a_true_404_is_remembered_for_a_while(by_digest: bool) -> None:
    async def scenario() -> None:
        async with reading(negative_ttl=60.0) as world:
            reference = digest_of(image()) if by_digest else "1"
            assert (await world.error(reference)).status == 404
            assert len(world.upstream.asked) == 1
            world.clock.pass_by(59)
            error = await world.error(reference)
            assert (error.status, error.code) == (404, ErrorCode.MANIFEST_UNKNOWN)
            assert error.outcome is not None
            assert error.outcome.cache is Cache.NEGATIVE
            assert len(world.upstream.asked) == 1
            world.clock.pass_by(2)
            world.upstream.put(image(), "1")
            assert (await world.get(reference)).status == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "failure",
    [
        DeniedError("no", status=401),
        BusyError("slow down"),
        FailedError("broken", status=500),
        TimedOutError("late"),
    ],
)
def test_nothing_else_is_remembered_as_missing(failure: RemoteError) -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.put(image(), "1")
            world.upstream.failure = failure
            assert (await world.error("1")).status != 404
            world.upstream.failure = None
            assert (await world.get("1")).status == 200

    asyncio.run(scenario())


def test_a_put_clears_what_was_remembered_as_missing() -> None:
    async def scenario() -> None:
        async with reading() as world:
            await world.error("1")
            await world.error(digest_of(image()))
            await world.push(image(), "1", repository=NGINX)
            assert (await world.get("1")).body == image()
            assert (await world.get(digest_of(image()))).body == image()
            assert len(world.upstream.asked) == 2

    asyncio.run(scenario())


def test_a_put_and_a_deletion_leave_nothing_remembered() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = digest_of(image())
            await world.error("1")
            await world.error(digest)
            await world.push(image(), "1", repository=NGINX)
            await world.metadata.delete_manifest(NGINX, digest)
            world.upstream.put(image(), "1")
            assert (await world.get(digest)).status == 200
            await world.metadata.delete_tag(NGINX, "1")
            assert (await world.get("1")).status == 200

    asyncio.run(scenario())


def test_a_store_that_cannot_write_passes_through() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.put(image(), "1")

            async def put_manifest(*_: object, **__: object) -> None:
                raise StoreError("disk full")

            world.metadata.put_manifest = put_manifest  # type: ignore[method-assign]
            for reference in ("1", digest_of(image())):
                reply = await world.get(reference)
                assert reply.body == image()
                assert reply.outcome is not None
                assert reply.outcome.cache is Cache.THROUGH

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (None, 200),
        ("", 200),
        ("*/*", 200),
        ("application/*", 200),
        (f"{OCI_INDEX}, {OCI_MANIFEST}", 200),
        (f"{OCI_MANIFEST};q=0.5", 200),
        (OCI_MANIFEST.upper(), 200),
        (JSON, 200),
        (DOCKER_MANIFEST, 404),
        (f"{OCI_MANIFEST};q=0, {DOCKER_MANIFEST}", 404),
        (f"{OCI_MANIFEST};q=0, */*", 404),
        ("text/html", 404),
        ("x/y," * 1000 + OCI_MANIFEST, 200),
    ],
)
def test_accept(accept: str | None, status: int) -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.put(image(), "1")
            headers = {} if accept is None else {"Accept": accept}
            for _ in range(2):  # cold, warm
                if status == 200:
                    assert (await world.get("1", headers=headers)).status == 200
                else:
                    error = await world.error("1", headers=headers)
                    assert (error.status, error.code) == (404, ErrorCode.MANIFEST_UNKNOWN)
                    assert OCI_MANIFEST in error.message

    asyncio.run(scenario())


def test_if_none_match() -> None:
    async def scenario() -> None:
        async with reading() as world:
            digest = world.upstream.put(image(), "1")
            for known in (f'"{digest}"', f'W/"{digest}"', f'"x", "{digest}"', "*", digest):
                reply = await world.get("1", headers={"If-None-Match": known})
                assert (reply.status, reply.body) == (304, b"")
                assert reply.headers["ETag"] == f'"{digest}"'
                assert "Content-Length" not in reply.headers
            reply = await world.get("1", headers={"If-None-Match": '"sha256:else"'})
            assert (reply.status, reply.body) == (200, image())

    asyncio.run(scenario())


def test_malformed_references() -> None:
    async def scenario() -> None:
        async with reading() as world:
            for repository in (NGINX, TEAM):
                error = await world.error("sha256:abc", repository=repository)
                assert (error.status, error.code) == (400, ErrorCode.DIGEST_INVALID)
                error = await world.error(".hidden", repository=repository)
                assert (error.status, error.code) == (404, ErrorCode.MANIFEST_UNKNOWN)
            assert world.upstream.asked == []

    asyncio.run(scenario())


def test_local_repositories_are_read_from_the_store_alone() -> None:
    async def scenario() -> None:
        async with reading() as world:
            error = await world.error("1", repository=TEAM)
            assert (error.status, error.code) == (404, ErrorCode.NAME_UNKNOWN)
            digest = await world.push(image(), "1")
            error = await world.error("2", repository=TEAM)
            assert (error.status, error.code) == (404, ErrorCode.MANIFEST_UNKNOWN)
            for days in (0, 400):
                world.clock.pass_by(days * 86_400)
                for reference in ("1", digest):
                    reply = await world.get(reference, repository=TEAM)
                    assert (reply.status, reply.body) == (200, image())
                    assert "Warning" not in reply.headers
            assert world.upstream.asked == []

    asyncio.run(scenario())


def test_local_referrers_of_a_mirrored_image_are_readable_in_its_repository() -> None:
    async def scenario() -> None:
        async with reading() as world:
            signed = signature(image())
            digest = await world.push(signed, "signed", repository=NGINX.overlay)
            assert (await world.get(digest)).body == signed
            assert world.upstream.asked == []
            assert (await world.get("signed")).body == signed

    asyncio.run(scenario())


def test_too_many_errands_at_once_are_refused() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.manifests._fetch._digests._limit = 1
            world.upstream.gate = asyncio.Event()
            first = asyncio.create_task(world.error(digest_of(b"1")))
            await asyncio.sleep(0.01)
            for reference in (digest_of(b"2"), "1"):
                error = await world.error(reference)
                assert (error.status, error.headers["Retry-After"]) == (429, "1")
            world.upstream.gate.set()
            assert (await first).status == 404

    asyncio.run(scenario())


def test_close_ends_what_is_under_way() -> None:
    async def scenario() -> None:
        async with reading() as world:
            world.upstream.gate = asyncio.Event()
            client = asyncio.create_task(world.error("1"))
            await asyncio.sleep(0.01)
            client.cancel()
            await world.manifests.close()
            await asyncio.sleep(0)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            assert all(task.done() for task in others)

    asyncio.run(scenario())


def test_settings_may_change() -> None:
    async def scenario() -> None:
        async with reading(tag_ttl=1000.0) as world:
            world.upstream.put(image(), "1")
            await world.get("1")
            await world.get("1")
            assert world.held("1") is not None
            world.clock.pass_by(10)
            world.config = UpstreamConfig(name="x", urls=(), tag_ttl=5.0)
            world.manifests.reconfigured()
            world.upstream.asked.clear()
            await world.get("1")
            assert world.upstream.asked == [("HEAD", "1")]

    asyncio.run(scenario())
