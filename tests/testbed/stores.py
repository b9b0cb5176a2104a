"""Both stores, opened for a test, and images to put into them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import Blobs, Metadata
from homeport.mirror.store.files import open_blobs
from homeport.mirror.store.memory.blobs import MemoryBlobs
from homeport.mirror.store.memory.metadata import MemoryMetadata
from homeport.mirror.store.sqlite.metadata import open_metadata
from homeport.oci.digest import Digest, digest_of
from homeport.oci.manifest import Manifest, parse_manifest
from homeport.oci.media_type import OCI_INDEX, OCI_MANIFEST

NGINX = Repository("docker.io", "library/nginx")
OTHER = Repository("docker.io", "library/other")
LOCAL = Repository("local", "team/app")
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"


@asynccontextmanager
async def file_blobs(folder: Path, quota: int | None = None) -> AsyncIterator[Blobs]:
    blobs = await open_blobs(folder, quota=quota, reserve=0, clock=lambda: 7.0)
    try:
        yield blobs
    finally:
        await blobs.close()


@asynccontextmanager
async def memory_blobs(_: Path, quota: int | None = None) -> AsyncIterator[Blobs]:
    yield MemoryBlobs(quota=quota, clock=lambda: 7.0)


@asynccontextmanager
async def sqlite_metadata(folder: Path) -> AsyncIterator[Metadata]:
    metadata = await open_metadata(folder / "metadata.db", clock=lambda: 0.0)
    try:
        yield metadata
    finally:
        await metadata.close()


@asynccontextmanager
async def memory_metadata(_: Path) -> AsyncIterator[Metadata]:
    yield MemoryMetadata(clock=lambda: 0.0)


def blob(name: str) -> Digest:
    return digest_of(name.encode())


def described(digest: Digest, media_type: str, size: int = 10) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def image(
    name: str,
    *layers: str,
    media_type: str = LAYER,
    subject: Manifest | None = None,
    artifact_type: str | None = None,
) -> Manifest:
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described(blob(f"config-{name}"), CONFIG),
        "layers": [described(blob(layer), media_type) for layer in layers],
        "annotations": {"name": name},
    }
    if subject is not None:
        document["subject"] = described(subject.digest, OCI_MANIFEST)
    if artifact_type is not None:
        document["artifactType"] = artifact_type
    return parse_manifest(json.dumps(document).encode(), OCI_MANIFEST)


def index(*children: Manifest) -> Manifest:
    manifests = [described(child.digest, OCI_MANIFEST, len(child.content)) for child in children]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    return parse_manifest(json.dumps(document).encode(), OCI_INDEX)


async def put(
    metadata: Metadata, home: Repository, manifest: Manifest, *tags: str, at: float = 1.0
) -> None:
    await metadata.put_manifest(home, manifest, tags=tags, at=at, durable=home.is_local)


async def link(metadata: Metadata, home: Repository, *names: str, at: float = 1.0) -> None:
    for name in names:
        await metadata.link_blob(home, blob(name), 100, at=at, durable=home.is_local)


async def put_blob(blobs: Blobs, content: bytes, key: str = "upload-1") -> Digest:
    """Stage and commit it durably."""
    staged = await blobs.stage(key, fresh=True)
    await staged.append(content)
    digest = digest_of(content)
    await staged.commit(digest, durable=True)
    await staged.close()
    return digest


async def content_of(blobs: Blobs, digest: Digest) -> bytes | None:
    found = await blobs.open(digest)
    if found is None:
        return None
    try:
        return await found.read(0, found.size + 10)
    finally:
        found.close()
