"""A blob as an answer: its headers, and which part of it the client asks for (end-2)."""

from collections.abc import Mapping

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.exchange import Body, Reply, Request
from homeport.mirror.model.names import Target
from homeport.mirror.model.record import Cache, Outcome
from homeport.mirror.pull.ranges import Span, UnsatisfiableError, is_current, parse_range
from homeport.oci.digest import Digest, digest_of, hex_of, parse_digest
from homeport.oci.error_code import ErrorCode
from homeport.oci.media_type import OCTET_STREAM

_FOREVER = "max-age=31536000, immutable"
_EMPTY = frozenset(hex_of(digest_of(b"", algorithm)) for algorithm in ("sha256", "sha512"))


def asked_digest(text: str) -> Digest:
    try:
        return parse_digest(text)
    except ValueError as error:
        raise RegistryError(ErrorCode.DIGEST_INVALID, str(error)) from None


def is_empty(digest: Digest) -> bool:
    """Whether it is the digest of no bytes at all."""
    return hex_of(digest) in _EMPTY


def known_size(digest: Digest, said: int | None) -> int | None:
    """A size that a link says. 0 is what old manifests (schema 1) say for what they do not know."""
    return said if said or is_empty(digest) else None


def blob_unknown(digest: Digest) -> RegistryError:
    return RegistryError(
        ErrorCode.BLOB_UNKNOWN,
        "this repository has no such blob",
        detail={"digest": digest},
        outcome=Outcome(digest=digest),
    )


def asked_span(request: Request, digest: Digest, size: int | None) -> Span | None:
    """The part that a GET asks for, None for the whole: also where the size is not known, because
    a Content-Range cannot be said then. Raises 416 with Content-Range (RFC 9110, 15.5.17)."""
    if size is None or request.method != "GET":
        return None
    if not is_current(request.headers.get("If-Range"), f'"{digest}"'):
        return None
    try:
        return parse_range(request.headers.get("Range"), size)
    except UnsatisfiableError:
        raise RegistryError(
            ErrorCode.RANGE_INVALID,
            f"the range is not within the blob's {size} bytes",
            headers={"Content-Range": f"bytes */{size}"},
            outcome=Outcome(digest=digest, size=size),
        ) from None


def blob_reply(
    target: Target,
    digest: Digest,
    body: Body,
    *,
    size: int | None,
    span: Span | None,
    cache: Cache,
    source: str | None = None,
) -> Reply:
    """200, or 206 with a span. Without a size there is no Content-Length."""
    headers = dict(_headers(digest, target.namespace))
    length = size
    if span is not None and size is not None:
        length = span.stop - span.start
        headers["Content-Range"] = span.content_range(size)
    if length is not None:
        headers["Content-Length"] = str(length)
    outcome = Outcome(
        cache=cache,
        digest=digest,
        media_type=OCTET_STREAM,
        size=size,
        upstream_url=source,
        upstream_status=None if source is None else 200,
    )
    return Reply(status=200 if span is None else 206, headers=headers, body=body, outcome=outcome)


def not_modified(target: Target, digest: Digest) -> Reply:
    """304: If-None-Match names the digest (RFC 9110, 13.1.2)."""
    headers = dict(_headers(digest, target.namespace))
    del headers["Content-Type"]
    return Reply(status=304, headers=headers, outcome=Outcome(cache=Cache.HIT, digest=digest))


def _headers(digest: Digest, namespace: str | None) -> Mapping[str, str]:
    headers = {
        "Content-Type": OCTET_STREAM,
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": _FOREVER,
    }
    if namespace is not None:
        headers["OCI-Namespace"] = namespace  # distribution-spec, Registry proxying
    return headers
