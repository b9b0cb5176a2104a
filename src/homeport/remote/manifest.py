"""A manifest's answer as a value: its bytes are what they are, its type and digest are checked."""

import aiohttp
import msgspec
from msgspec import Struct

from homeport.oci.digest import Digest, algorithm_of, digest_of, parse_digest
from homeport.oci.media_type import (
    DOCKER_V1,
    DOCKER_V1_SIGNED,
    JSON,
    OCI_INDEX,
    OCI_MANIFEST,
    OCTET_STREAM,
    bare,
    is_media_type,
)
from homeport.remote.download import check_plain
from homeport.remote.errors import FailedError

_UNTYPED = frozenset(("", JSON, OCTET_STREAM, "text/plain", "binary/octet-stream"))


class ManifestFacts(Struct, frozen=True, kw_only=True):
    """What HEAD tells; `digest` and `size` None where it does not say."""

    digest: Digest | None
    media_type: str
    size: int | None


class FoundManifest(Struct, frozen=True, kw_only=True):
    """The bytes as they came; `digest` is computed."""

    content: bytes
    media_type: str
    digest: Digest


class _Shape(Struct, rename="camel"):
    schema_version: int = 0
    media_type: str | None = None
    config: msgspec.Raw = msgspec.Raw()
    layers: msgspec.Raw = msgspec.Raw()
    manifests: msgspec.Raw = msgspec.Raw()
    fs_layers: msgspec.Raw = msgspec.Raw()
    signatures: msgspec.Raw = msgspec.Raw()


_DECODER = msgspec.json.Decoder(_Shape)


def read_facts(response: aiohttp.ClientResponse, host: str, what: str) -> ManifestFacts:
    """Raises FailedError for an answer that is none of a registry's."""
    check_plain(response, host, what)
    return ManifestFacts(
        digest=_said_digest(response),
        media_type=_said_type(response),
        size=response.content_length,
    )


def read_manifest(
    response: aiohttp.ClientResponse, content: bytes, host: str, what: str, reference: str
) -> FoundManifest:
    """Raises FailedError for bytes that are no manifest, or not the one that was asked for."""
    check_plain(response, host, what)
    try:
        shape = _DECODER.decode(content)
    except (ValueError, RecursionError):  # DecodeError and UnicodeDecodeError are ValueErrors
        raise FailedError(f"{host} answered {what} with something else", host=host) from None
    media_type = _said_type(response)
    if media_type in _UNTYPED:
        media_type = _guess(shape)
        if not media_type:
            raise FailedError(f"{host} answered {what} without a media type", host=host)
    asked = parse_digest(reference) if ":" in reference else None
    said = _said_digest(response)
    digest = digest_of(content, algorithm_of(asked or said or Digest("sha256:")))
    # The digest of a signed manifest of schema 1 is not that of its bytes.
    signed = media_type in (DOCKER_V1, DOCKER_V1_SIGNED)
    if asked is not None and digest != asked and signed:
        raise FailedError(
            f"{host} has {what} only in Docker's format of before 2016 (schema 1), whose digest"
            " cannot be verified: push the image anew with a current engine",
            host=host,
        )
    if asked is not None and digest != asked:
        raise FailedError(f"{host} answered {what} with other bytes", host=host)
    if asked is None and said is not None and said != digest and not signed:
        raise FailedError(f"{host} answered {what} with bytes that it does not mean", host=host)
    return FoundManifest(content=content, media_type=media_type, digest=digest)


def _said_type(response: aiohttp.ClientResponse) -> str:
    text = bare(response.headers.get("Content-Type", ""))
    return text if is_media_type(text) else ""


def _said_digest(response: aiohttp.ClientResponse) -> Digest | None:
    try:
        return parse_digest(response.headers.get("Docker-Content-Digest", "").strip())
    except ValueError:
        return None


def _guess(shape: _Shape) -> str:
    """The type of a manifest whose server names none (image-spec: `mediaType` may be absent)."""
    if shape.media_type:
        return shape.media_type if is_media_type(shape.media_type) else ""
    if _is_there(shape.manifests):
        return OCI_INDEX
    if _is_there(shape.config) or _is_there(shape.layers):
        return OCI_MANIFEST
    if _is_there(shape.fs_layers):
        return DOCKER_V1_SIGNED if _is_there(shape.signatures) else DOCKER_V1
    return ""


def _is_there(value: msgspec.Raw) -> bool:
    return bytes(value) not in (b"", b"null")
