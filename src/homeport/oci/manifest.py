"""A manifest's bytes as a value; the bytes themselves are what is stored and served, unchanged."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from homeport.oci.bounds import check_bounds
from homeport.oci.digest import Digest, digest_of, parse_digest
from homeport.oci.media_type import (
    DOCKER_V1,
    DOCKER_V1_SIGNED,
    IMAGES,
    INDEXES,
    OCI_MANIFEST,
    is_media_type,
)

MAX_DESCRIPTORS = 10_000

_SHOWN = 100
"""Characters of hostile text that an error repeats."""


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
    size: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0


class _Layer(Struct, rename="camel"):
    blob_sum: str = ""


_Descriptors = Annotated[list[_Descriptor], Meta(max_length=MAX_DESCRIPTORS)]


class _Document(Struct, rename="camel"):
    schema_version: int = 0
    media_type: str | None = None
    artifact_type: str | None = None
    config: _Descriptor | None = None
    layers: _Descriptors | None = None
    manifests: _Descriptors | None = None
    subject: _Descriptor | None = None
    annotations: dict[str, str] | None = None
    fs_layers: Annotated[list[_Layer], Meta(max_length=MAX_DESCRIPTORS)] | None = None


_DECODER = msgspec.json.Decoder(_Document)
_FIELDS = {name.casefold(): name for name in _Document.__struct_encode_fields__}


def parse_manifest(
    content: bytes, media_type: str, *, digest: Digest | None = None, algorithm: str = "sha256"
) -> Manifest:
    """The manifest in `content`, served with `media_type` (no parameters).

    `digest` is given where the caller knows it to be that of the bytes. Unknown fields are left
    alone; what two readers could understand differently is refused. Raises ValueError in words that
    a client may read.
    """
    if not is_media_type(media_type):
        raise ValueError(f"{media_type[:_SHOWN]!r} is no media type")
    document = _decode(content)
    said = document.media_type
    if said is not None and said.lower() != media_type.lower():
        raise ValueError(
            f"the manifest says mediaType {said[:_SHOWN]!r} but is sent as {media_type[:_SHOWN]!r}"
        )
    blobs: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    if media_type in INDEXES:
        _check_kind(document, "an index", document.config, document.layers, document.fs_layers)
        manifests = _all(document.manifests or ())
    elif media_type in (DOCKER_V1, DOCKER_V1_SIGNED):
        blobs = _v1_layers(document.fs_layers or ())
    elif media_type in IMAGES or document.config is not None:
        _check_kind(document, "an image", document.manifests, document.fs_layers)
        if document.config is None:
            raise ValueError("the manifest has no config")
        blobs = _all((document.config, *(document.layers or ())))
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


def _decode(content: bytes) -> _Document:
    check_bounds(content, "the manifest")
    try:
        document = _DECODER.decode(content)
        names = _names(content)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"the manifest is not valid: {str(error)[:_SHOWN]}") from None
    for name in names:
        # Go's readers take a name in any case, and the last one wins: two readers, two images.
        known = _FIELDS.get(name.casefold(), name)
        if known != name:
            raise ValueError(f"the manifest has a field {name!r}, which some read as {known!r}")
    return document


def _names(content: bytes) -> list[str]:
    """The names of the document's fields; raises ValueError for one that occurs twice, in whatever
    object. (msgspec keeps the last one silently, and others the first.)"""
    names: list[str] = []

    def check(pairs: list[tuple[str, object]]) -> None:
        nonlocal names
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            ((double, _),) = Counter(names).most_common(1)
            raise ValueError(f"the field {double[:_SHOWN]!r} occurs twice")

    # The outermost object is the last that ends.
    json.loads(content, object_pairs_hook=check, parse_int=len, parse_float=len)
    return names


def _check_kind(document: _Document, kind: str, *foreign: object) -> None:
    """An index with layers, or an image with manifests, is one thing to some and another to others
    (CVE-2021-41190)."""
    if document.schema_version != 2:
        raise ValueError("the manifest's schemaVersion is not 2")
    if any(foreign):
        raise ValueError(f"the manifest is sent as {kind} but has fields of another kind")


def _all(descriptors: tuple[_Descriptor, ...] | list[_Descriptor]) -> tuple[Descriptor, ...]:
    return tuple(_one(descriptor) for descriptor in descriptors)


def _one(raw: _Descriptor) -> Descriptor:
    return Descriptor(media_type=raw.media_type, digest=parse_digest(raw.digest), size=raw.size)


def _v1_layers(layers: tuple[_Layer, ...] | list[_Layer]) -> tuple[Descriptor, ...]:
    return tuple(
        Descriptor(media_type="", digest=parse_digest(layer.blob_sum), size=0) for layer in layers
    )
