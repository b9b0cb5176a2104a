"""end-7 and end-9 over stores in memory."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from homeport.mirror.model.config import LimitsConfig
from homeport.oci.digest import digest_of
from homeport.oci.media_type import DOCKER_LIST, DOCKER_MANIFEST, DOCKER_V1, OCI_INDEX, OCI_MANIFEST

CONFIG = b'{"os":"linux"}'
LAYER = b"a layer"
NOWHERE = digest_of(b"pushed by nobody")


def descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def image(**more: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(CONFIG, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(LAYER, "application/vnd.oci.image.layer.v1.tar")],
        **more,
    }


def index(*children: bytes, **more: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [descriptor(child, OCI_MANIFEST) for child in children],
        **more,
    }


def encode(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()


async def push_blobs(registry: Any) -> None:
    await registry.push(CONFIG)
    await registry.push(LAYER)


def test_puts_a_tag_and_stores_the_bytes_as_they_are(registry: Any) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        content = b" \n" + encode(image(**{"org.example.custom": {"a": [1, None]}})) + b"\n\t "
        reply = await registry.put(content, "v1.0_x-Y")
        digest = digest_of(content)
        assert reply.status == 201
        assert reply.headers["Location"] == f"/v2/team/app/manifests/{digest}"
        assert reply.headers["Docker-Content-Digest"] == digest
        assert "OCI-Subject" not in reply.headers
        assert "OCI-Tag" not in reply.headers
        stored = await registry.metadata.manifest(registry.repository, digest)
        assert (stored.content, stored.media_type) == (content, OCI_MANIFEST)
        assert (await registry.metadata.tag(registry.repository, "v1.0_x-Y")).digest == digest

    asyncio.run(scenario())


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_puts_by_digest_with_many_tags(registry: Any, algorithm: str) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        content = encode(image())
        digest = digest_of(content, algorithm)
        tags = tuple(f"t{number}" for number in range(12))
        reply = await registry.put(content, digest, tags=(*tags, "t0"))
        assert reply.headers["Docker-Content-Digest"] == digest
        assert reply.headers["OCI-Tag"] == ", ".join(tags)
        for tag in tags:
            assert (await registry.metadata.tag(registry.repository, tag)).digest == digest

    asyncio.run(scenario())


def test_tag_parameters_belong_to_pushes_by_digest(registry: Any) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        reply = await registry.put(image(), "one", tags=("two",))
        assert "OCI-Tag" not in reply.headers
        assert await registry.metadata.tag(registry.repository, "two") is None

    asyncio.run(scenario())


def test_bad_references(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        content = encode(image())
        for reference in ("sha256:baddigeststring", "md5:" + "0" * 32, "sha256:"):
            async with refused(400, "DIGEST_INVALID"):
                await registry.put(content, reference)
            async with refused(400, "DIGEST_INVALID"):
                await registry.delete(reference)
        for reference in ("-dash", "a" * 129, "a b", "ümlaut", ".."):
            async with refused(400, "MANIFEST_INVALID"):
                await registry.put(content, reference)
            async with refused(400, "MANIFEST_INVALID"):
                await registry.put(content, tags=("fine", reference))
        async with refused(414, "MANIFEST_INVALID"):
            await registry.put(content, tags=tuple(map(str, range(101))))
        assert await registry.metadata.tags(registry.repository, after="", limit=9) == []

    asyncio.run(scenario())


def test_bytes_that_do_not_fit_the_digest(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        content = encode(image())
        for algorithm in ("sha256", "sha512"):
            async with refused(400, "DIGEST_INVALID"):
                await registry.put(content + b"  ", digest_of(content, algorithm))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "media_type",
    [None, "", "text/plain", DOCKER_V1, "application/json", DOCKER_MANIFEST, OCI_INDEX],
)
def test_media_types_that_are_refused(registry: Any, refused: Any, media_type: str | None) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        async with refused(400, "MANIFEST_INVALID"):
            await registry.put(image(), "v1", media_type=media_type)

    asyncio.run(scenario())


def test_parameters_of_the_content_type_are_ignored(registry: Any) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        reply = await registry.put(image(), "v1", media_type=f"{OCI_MANIFEST}; charset=utf-8")
        assert reply.outcome.media_type == OCI_MANIFEST

    asyncio.run(scenario())


def test_docker_manifests_and_lists(registry: Any) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        docker = encode(image(mediaType=DOCKER_MANIFEST))
        await registry.put(docker, media_type=DOCKER_MANIFEST)
        listing = index(docker, mediaType=DOCKER_LIST)
        assert (await registry.put(listing, "v1", media_type=DOCKER_LIST)).status == 201

    asyncio.run(scenario())


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b"\xff", b'{"schemaVersion":"2"}'])
def test_manifests_that_are_none(registry: Any, refused: Any, content: bytes) -> None:
    async def scenario() -> None:
        async with refused(400, "MANIFEST_INVALID"):
            await registry.put(content, "v1")

    asyncio.run(scenario())


def test_blobs_must_have_been_pushed_to_this_repository(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        await registry.push(LAYER, into=registry.other)
        await registry.push(CONFIG)
        async with refused(400, "MANIFEST_BLOB_UNKNOWN") as why:
            await registry.put(image(), "v1")
        assert why.error.detail == {"missing": [digest_of(LAYER)]}
        await registry.push(LAYER)
        assert (await registry.put(image(), "v1")).status == 201

    asyncio.run(scenario())


def test_children_of_an_index_must_be_there(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        child = encode(image())
        async with refused(400, "MANIFEST_BLOB_UNKNOWN"):
            await registry.put(index(child), "v1", media_type=OCI_INDEX)
        await registry.put(child)
        reply = await registry.put(index(child), "v1", media_type=OCI_INDEX)
        assert reply.status == 201
        nested = {
            **index(),
            "manifests": [{"mediaType": OCI_INDEX, "digest": reply.outcome.digest, "size": 1}],
        }
        assert (await registry.put(nested, "v2", media_type=OCI_INDEX)).status == 201
        assert (await registry.put(index(), "empty", media_type=OCI_INDEX)).status == 201

    asyncio.run(scenario())


def test_layers_that_cannot_be_distributed_need_not_be_there(registry: Any) -> None:
    async def scenario() -> None:
        await registry.push(CONFIG)
        for media_type in (
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ):
            document = image(layers=[descriptor(b"elsewhere", media_type)])
            assert (await registry.put(document, "v1")).status == 201

    asyncio.run(scenario())


def test_no_layers_at_all(registry: Any) -> None:
    async def scenario() -> None:
        await registry.push(CONFIG)
        for layers in ([], None):
            assert (await registry.put(image(layers=layers), "v1")).status == 201

    asyncio.run(scenario())


def test_a_subject_may_be_missing_and_is_confirmed(registry: Any) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        subject = {"mediaType": OCI_MANIFEST, "digest": NOWHERE, "size": 123}
        reply = await registry.put(image(subject=subject, artifactType="a/b"))
        assert (reply.status, reply.headers["OCI-Subject"]) == (201, NOWHERE)
        (found,) = await registry.metadata.referrers(registry.repository, NOWHERE)
        assert (found.digest, found.artifact_type) == (reply.outcome.digest, "a/b")

    asyncio.run(scenario())


def test_a_manifest_of_four_megabytes_and_one_too_large(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        annotations = {f"a{number}": "A" * 10_000 for number in range(420)}
        large = image(annotations=annotations)
        assert len(encode(large)) > 4 * 1024**2
        assert (await registry.put(large, "large")).status == 201
        registry.configure(limits=LimitsConfig(manifest_bytes=1000))
        for length in (None, 1001, 10):
            async with refused(413, "SIZE_INVALID"):
                await registry.put(image(custom="x" * 1000), "v1", length=length)

    asyncio.run(scenario())


def test_a_body_that_is_cut(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        content = encode(image())
        async with refused(400, "SIZE_INVALID"):
            await registry.put(content, "v1", length=len(content) + 1)

    asyncio.run(scenario())


def test_deleting_a_tag_keeps_the_manifest(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        digest = (await registry.put(image(), "v1")).outcome.digest
        await registry.put(image(), "v2")
        reply = await registry.delete("v1")
        assert (reply.status, reply.outcome.digest) == (202, digest)
        assert await registry.metadata.manifest(registry.repository, digest) is not None
        assert await registry.metadata.tags(registry.repository, after="", limit=9) == ["v2"]
        async with refused(404, "MANIFEST_UNKNOWN"):
            await registry.delete("v1")

    asyncio.run(scenario())


def test_deleting_a_digest_deletes_its_tags(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        digest = (await registry.put(image(), "v1")).outcome.digest
        await registry.put(image(), "v2")
        await registry.put(image(annotations={"a": "b"}), "v3")
        assert (await registry.delete(digest)).status == 202
        assert await registry.metadata.manifest(registry.repository, digest) is None
        assert await registry.metadata.tags(registry.repository, after="", limit=9) == ["v3"]
        async with refused(404, "MANIFEST_UNKNOWN"):
            await registry.delete(digest)
        async with refused(404, "MANIFEST_UNKNOWN"):
            await registry.delete(NOWHERE)

    asyncio.run(scenario())


def test_what_a_sweep_takes_before_the_hold_is_missed(registry: Any, refused: Any) -> None:
    async def scenario() -> None:
        await push_blobs(registry)
        hold = registry.metadata.hold

        async def late(digests: Any, why: Any, *, until: float) -> None:
            await registry.metadata.unlink_blob(registry.repository, digest_of(LAYER))
            await hold(digests, why, until=until)

        registry.metadata.hold = late
        async with refused(400, "MANIFEST_BLOB_UNKNOWN"):
            await registry.put(image(), "v1")

    asyncio.run(scenario())
