"""A manifest's bytes as a value; the bytes themselves are what is stored and served, unchanged."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from homeport.oci.digest import Digest, digest_of, parse_digest
from homeport.oci.media_type import DOCKER_V1, DOCKER_V1_SIGNED, IMAGES, INDEXES, OCI_MANIFEST

MAX_DESCRIPTORS = 10_000


class Descriptor(Struct, frozen=True, kw_only=True):
    """A descriptor (image-spec descriptor.md). `size` is bytes."""

    media_type: str
    digest: Digest
    size: int
    artifact_type: str | None = None
    annotations: Mapping[str, str] = {}


class Manifest(Struct, frozen=True, kw_only=True):
    """What a registry must know of a manifest.

    `blobs` are config and layers in the order of the document, `manifests` the children of an
    index; `artifact_type` is the type that the referrers API shows.
    """

    digest: Digest
    media_type: str
    content: bytes
    blobs: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = {}


class _Descriptor(Struct, rename="camel"):
    media_type: str = ""
    digest: str = ""
    size: int = 0


class _Layer(Struct, rename="camel"):
    blob_sum: str = ""


class _Document(Struct, rename="camel"):
    schema_version: int = 0
    media_type: str | None = None
    artifact_type: str | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    subject: _Descriptor | None = None
    annotations: dict[str, str] | None = None
    fs_layers: list[_Layer] | None = None


_DECODER = msgspec.json.Decoder(_Document)


def parse_manifest(
    content: bytes, media_type: str, *, digest: Digest | None = None, algorithm: str = "sha256"
) -> Manifest:
    """The manifest in `content`, served with `media_type` (no parameters).

    `digest` is given where the caller knows it to be that of the bytes. Raises ValueError in words
    that a client may read.
    """
    try:
        document = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the manifest is not valid: {error}") from None
    said = document.media_type
    if said is not None and said != media_type:
        raise ValueError(f"the manifest says mediaType {said!r} but is sent as {media_type!r}")
    blobs: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    if media_type in INDEXES:
        manifests = _all(document.manifests or ())
    elif media_type in (DOCKER_V1, DOCKER_V1_SIGNED):
        blobs = _v1_layers(document.fs_layers or ())
    elif media_type in IMAGES or document.config is not None:
        if document.schema_version != 2:
            raise ValueError("the manifest's schemaVersion is not 2")
        config = () if document.config is None else (document.config,)
        blobs = _all((*config, *(document.layers or ())))
    artifact_type = document.artifact_type
    if not artifact_type and media_type == OCI_MANIFEST and document.config is not None:
        artifact_type = document.config.media_type
    return Manifest(
        digest=digest or digest_of(content, algorithm),
        media_type=media_type,
        content=content,
        blobs=blobs,
        manifests=manifests,
        subject=None if document.subject is None else _one(document.subject),
        artifact_type=artifact_type or None,
        annotations=document.annotations or {},
    )


def _all(descriptors: tuple[_Descriptor, ...] | list[_Descriptor]) -> tuple[Descriptor, ...]:
    if len(descriptors) > MAX_DESCRIPTORS:
        raise ValueError(f"the manifest has more than {MAX_DESCRIPTORS} descriptors")
    return tuple(_one(descriptor) for descriptor in descriptors)


def _one(raw: _Descriptor) -> Descriptor:
    if raw.size < 0:
        raise ValueError("the manifest has a descriptor with a negative size")
    return Descriptor(media_type=raw.media_type, digest=parse_digest(raw.digest), size=raw.size)


def _v1_layers(layers: tuple[_Layer, ...] | list[_Layer]) -> tuple[Descriptor, ...]:
    return tuple(
        Descriptor(media_type="", digest=parse_digest(layer.blob_sum), size=0) for layer in layers
    )
