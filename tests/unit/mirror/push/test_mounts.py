"""end-11: blobs that are here already are linked, if the client may read them somewhere."""

import asyncio
from typing import Any

import pytest

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import Hold
from homeport.oci.digest import Digest, digest_of
from homeport.oci.manifest import Descriptor, Manifest
from homeport.oci.media_type import OCI_MANIFEST

CONTENT = b"a layer that two images share"
DIGEST = digest_of(CONTENT)
HUB = Repository("docker.io", "library/nginx")


def test_mounts_from_the_named_repository(registry: Any) -> None:
    async def scenario() -> None:
        await registry.push(CONTENT, into=registry.other)
        reply = await registry.start(mount=DIGEST, **{"from": "team/other"})
        assert reply.status == 201
        assert reply.headers["Location"] == f"/v2/team/app/blobs/{DIGEST}"
        assert reply.headers["Docker-Content-Digest"] == DIGEST
        assert await registry.metadata.blob(registry.repository, DIGEST) == len(CONTENT)
        assert await registry.metadata.uploads() == []

    asyncio.run(scenario())


@pytest.mark.parametrize("source", ["", "team/elsewhere", "Not A Name", "../../x"])
def test_the_source_is_only_a_hint(registry: Any, source: str) -> None:
    async def scenario() -> None:
        await registry.push(CONTENT, into=registry.other)
        query = {"from": source} if source else {}
        assert (await registry.start(mount=DIGEST, **query)).status == 201

    asyncio.run(scenario())


def test_nothing_is_mounted_from_what_the_client_may_not_read(registry: Any) -> None:
    async def scenario() -> None:
        await registry.push(CONTENT, into=registry.other)
        registry.unreadable.add(registry.other)
        for query in ({}, {"from": "team/other"}):
            assert (await registry.start(mount=DIGEST, **query)).status == 202
        assert await registry.metadata.blob(registry.repository, DIGEST) is None

    asyncio.run(scenario())


def test_a_missing_blob_becomes_an_upload(registry: Any) -> None:
    async def scenario() -> None:
        digest = digest_of(CONTENT, "sha512")
        reply = await registry.start(mount=digest, **{"from": "team/other"})
        assert (reply.status, reply.headers["Range"]) == (202, "0-0")
        session = reply.headers["Docker-Upload-UUID"]
        assert (await registry.upload("PUT", session, CONTENT, digest=digest)).status == 201
        assert registry.blobs.content == {digest: CONTENT}

    asyncio.run(scenario())


def test_mounts_from_a_mirrored_repository_only_what_is_held(registry: Any) -> None:
    async def scenario() -> None:
        manifest = Manifest(
            digest=digest_of(b"{}"),
            media_type=OCI_MANIFEST,
            content=b"{}",
            blobs=(Descriptor(media_type="a/b", digest=DIGEST, size=len(CONTENT)),),
        )
        await registry.metadata.put_manifest(HUB, manifest, at=0.0, durable=False)
        source = {"from": "docker.io/library/nginx"}
        assert (await registry.start(mount=DIGEST, **source)).status == 202
        registry.blobs.put(DIGEST, CONTENT)
        registry.unreadable.add(HUB)
        assert (await registry.start(mount=DIGEST, **source)).status == 202
        registry.unreadable.clear()
        assert (await registry.start(mount=DIGEST, **source)).status == 201
        assert await registry.metadata.blob(registry.repository, DIGEST) == len(CONTENT)

    asyncio.run(scenario())


def test_an_overlay_is_readable_as_its_mirrored_repository(registry: Any) -> None:
    async def scenario() -> None:
        await registry.push(CONTENT, into=HUB.overlay)
        registry.unreadable.add(HUB)
        assert (await registry.start(mount=DIGEST)).status == 202
        registry.unreadable = {HUB.overlay}
        assert (await registry.start(mount=DIGEST)).status == 201

    asyncio.run(scenario())


def test_uploaded_and_mounted_blobs_wait_a_day_for_their_manifest(registry: Any) -> None:
    async def scenario() -> None:
        seen: list[tuple[tuple[Digest, ...], Hold, float]] = []
        hold = registry.metadata.hold

        async def spy(digests: Any, why: Hold, *, until: float) -> None:
            seen.append((tuple(digests), why, until - registry.now))
            await hold(digests, why, until=until)

        registry.metadata.hold = spy
        await registry.push(CONTENT)
        await registry.start(mount=DIGEST, into=registry.other)
        assert seen == [((DIGEST,), Hold.UPLOAD, 86_400.0)] * 2

    asyncio.run(scenario())


def test_what_a_sweep_takes_meanwhile_is_not_linked(registry: Any) -> None:
    async def scenario() -> None:
        await registry.push(CONTENT, into=registry.other)
        hold = registry.metadata.hold

        async def late(digests: Any, why: Hold, *, until: float) -> None:
            await registry.blobs.delete(DIGEST)
            await hold(digests, why, until=until)

        registry.metadata.hold = late
        assert (await registry.start(mount=DIGEST)).status == 202
        assert await registry.metadata.blob(registry.repository, DIGEST) is None

    asyncio.run(scenario())


def test_a_blob_is_deleted_from_one_repository(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        await registry.push(CONTENT)
        await registry.push(CONTENT, into=registry.other)
        reply = await registry.delete_blob(DIGEST)
        assert (reply.status, reply.outcome.digest) == (202, DIGEST)
        assert await registry.metadata.blob(registry.repository, DIGEST) is None
        assert await registry.metadata.blob(registry.other, DIGEST) == len(CONTENT)
        async with refused(404, "BLOB_UNKNOWN"):
            await registry.delete_blob(DIGEST)
        async with refused(400, "DIGEST_INVALID"):
            await registry.delete_blob("sha256:nope")

    asyncio.run(scenario())
