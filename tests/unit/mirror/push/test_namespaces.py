"""Quotas, immutable tags, overlays and read-only mode."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from homeport.mirror.model.config import LimitsConfig, NamespaceConfig
from homeport.mirror.model.names import LOCAL, Repository
from homeport.oci.digest import digest_of
from homeport.oci.media_type import OCI_INDEX, OCI_MANIFEST

CONFIG = b"{}"
HUB = Repository("docker.io", "library/nginx")
SUBJECT = {"mediaType": OCI_MANIFEST, "digest": digest_of(b"subject"), "size": 7}


def image(**more: Any) -> dict[str, Any]:
    config = {"mediaType": "a/config", "digest": digest_of(CONFIG), "size": len(CONFIG)}
    return {"schemaVersion": 2, "config": config, "layers": [], **more}


def test_immutable_tags_cannot_be_moved_or_deleted(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        registry.configure(immutable_tags=("v*", "stable"))
        await registry.push(CONFIG)
        digest = (await registry.put(image(), "v1")).outcome.digest
        assert (await registry.put(image(), "v1")).status == 201
        changed = image(annotations={"a": "b"})
        async with refused(403, "DENIED") as why:
            await registry.put(changed, "v1")
        assert "v1 is immutable" in why.error.message
        async with refused(403, "DENIED"):
            await registry.put(changed, tags=("latest", "v1"))
        assert await registry.metadata.tag(registry.repository, "latest") is None
        for reference in ("v1", digest):
            async with refused(403, "DENIED"):
                await registry.delete(reference)
        assert (await registry.metadata.tag(registry.repository, "v1")).digest == digest
        await registry.put(image(), "latest")
        assert (await registry.put(changed, "latest")).status == 201
        assert (await registry.delete("latest")).status == 202

    asyncio.run(scenario())


def test_immutable_tags_protect_all_that_they_reach(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        registry.configure(immutable_tags=("v*",))
        await registry.push(CONFIG)
        await registry.push(b"other")
        child = (await registry.put(image())).outcome
        listing = {
            "schemaVersion": 2,
            "manifests": [{"mediaType": OCI_MANIFEST, "digest": child.digest, "size": child.size}],
        }
        await registry.put(listing, "v1", media_type=OCI_INDEX)
        async with refused(403, "DENIED"):
            await registry.delete(child.digest)
        async with refused(403, "DENIED"):
            await registry.delete_blob(digest_of(CONFIG))
        assert (await registry.delete_blob(digest_of(b"other"))).status == 202
        free = (await registry.put(image(annotations={"a": "b"}))).outcome.digest
        assert (await registry.delete(free)).status == 202

    asyncio.run(scenario())


def test_a_quota_is_checked_before_the_first_byte(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        registry.configure(quota=100)
        await registry.push(bytes(60))
        other = bytes([1]) * 41
        async with refused(403, "DENIED") as why:
            await registry.start(other, digest=digest_of(other))
        assert "quota of 100 bytes" in why.error.message
        assert "team" in why.error.message
        session = await registry.session()
        async with refused(403, "DENIED"):
            await registry.upload("PATCH", session, other)
        assert (await registry.upload("GET", session)).headers["Range"] == "0-0"
        assert (await registry.push(other, into=Repository(LOCAL, "free/app"))) is not None
        assert (await registry.push(other[:40])) is not None

    asyncio.run(scenario())


def test_a_quota_ends_a_stream(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        registry.configure(quota=100)
        session = await registry.session()
        async with refused(403, "DENIED"):
            await registry.upload("PATCH", session, [bytes(99), bytes(2)])
        assert (await registry.upload("GET", session)).headers["Range"] == "0-98"

    asyncio.run(scenario())


def test_two_uploads_that_fit_alone_but_not_together(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        registry.configure(quota=100)
        contents = [bytes([number]) * 60 for number in range(2)]
        sessions = [await registry.session(), await registry.session()]
        for session, content in zip(sessions, contents, strict=True):
            await registry.upload("PATCH", session, content)
        size_of = registry.metadata.size_of

        async def slowly(upstream: str, prefix: str) -> int:
            found: int = await size_of(upstream, prefix)
            await asyncio.sleep(0.005)
            return found

        registry.metadata.size_of = slowly

        async def finish(number: int) -> int:
            digest = digest_of(contents[number])
            return int((await registry.upload("PUT", sessions[number], digest=digest)).status)

        ended = await asyncio.gather(finish(0), finish(1), return_exceptions=True)
        assert 201 in ended
        async with refused(403, "DENIED"):
            raise next(each for each in ended if isinstance(each, Exception))
        assert await registry.metadata.size_of(LOCAL, "team") == 60

    asyncio.run(scenario())


def test_what_is_being_uploaded_counts(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        registry.configure(quota=100)
        more = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield bytes(20)
            await more.wait()
            yield bytes(40)

        first, second = await registry.session(), await registry.session()
        task = asyncio.ensure_future(registry.upload("PATCH", first, body(), length=60))
        await asyncio.sleep(0.01)
        async with refused(403, "DENIED"):
            await registry.upload("PATCH", second, bytes(41))
        more.set()
        await task
        assert (await registry.upload("PATCH", second, bytes(41))).status == 202

    asyncio.run(scenario())


def test_a_mount_counts_and_what_the_namespace_has_counts_once(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        registry.configure(quota=100)
        content, elsewhere = bytes(60), bytes([1]) * 60
        await registry.push(content)
        assert (await registry.start(mount=digest_of(content), into=registry.other)).status == 201
        await registry.push(elsewhere, into=Repository(LOCAL, "free/app"))
        async with refused(403, "DENIED"):
            await registry.start(mount=digest_of(elsewhere))

    asyncio.run(scenario())


def test_a_name_in_no_namespace(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        for name in ("nobody/app", "teams/app"):
            async with refused(403, "DENIED"):
                await registry.start(into=Repository(LOCAL, name))
            async with refused(403, "DENIED"):
                await registry.put(image(), "v1", into=Repository(LOCAL, name))

    asyncio.run(scenario())


def test_an_overlay_takes_referrers_and_nothing_else(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        overlay = HUB.overlay
        await registry.push(CONFIG, into=overlay)
        reply = await registry.put(image(subject=SUBJECT), into=overlay)
        assert reply.headers["OCI-Subject"] == SUBJECT["digest"]
        async with refused(403, "DENIED") as why:
            await registry.put(image(), into=overlay)
        assert "docker.io/library/nginx is a mirror" in why.error.message
        assert "local namespace" in why.error.message
        async with refused(403, "DENIED"):
            await registry.put(image(subject=SUBJECT), "latest", into=overlay)
        async with refused(403, "DENIED"):
            await registry.put(image(subject=SUBJECT), tags=("latest",), into=overlay)
        assert (await registry.delete(reply.outcome.digest, into=overlay)).status == 202
        async with refused(404, "MANIFEST_UNKNOWN"):
            await registry.delete("latest", into=overlay)

    asyncio.run(scenario())


def test_read_only_mode_refuses_every_change(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        await registry.push(CONFIG)
        await registry.put(image(), "v1")
        session = await registry.session()
        registry.writable = False
        for attempt in (
            registry.start(),
            registry.start(mount=digest_of(CONFIG)),
            registry.upload("PATCH", session, b"x"),
            registry.upload("PUT", session, digest=digest_of(b"")),
            registry.put(image(), "v2"),
            registry.delete("v1"),
            registry.delete_blob(digest_of(CONFIG)),
        ):
            async with refused(405, "UNSUPPORTED") as why:
                await attempt
            assert "read-only" in why.error.message
        assert (await registry.upload("GET", session)).status == 204
        assert (await registry.upload("DELETE", session)).status == 204

    asyncio.run(scenario())


def test_a_method_that_uploads_do_not_have(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        session = await registry.session()
        async with refused(405, "UNSUPPORTED"):
            await registry.upload("POST", session)

    asyncio.run(scenario())


@pytest.mark.parametrize("quota", [None, 5])
def test_new_settings_hold_for_open_uploads(registry: Any, refused: Any, quota: int | None) -> None:
    async def scenario() -> None:
        session = await registry.session()
        namespaces = {"team": NamespaceConfig(name="team", quota=quota)}
        registry.writer.replace(namespaces=namespaces, limits=LimitsConfig(blob_bytes=6))
        async with refused(
            413 if quota is None else 403, "SIZE_INVALID" if quota is None else "DENIED"
        ):
            await registry.upload("PATCH", session, bytes(7))
        assert (await registry.upload("PATCH", session, bytes(5))).status == 202

    asyncio.run(scenario())
