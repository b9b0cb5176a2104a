"""A manifest as an answer: its headers, what the client accepts, what it has already."""

from collections.abc import Mapping
from functools import lru_cache

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import Target
from homeport.mirror.model.record import Outcome
from homeport.oci.digest import Digest
from homeport.oci.error_code import ErrorCode

API_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
MAX_REMEMBERED_ACCEPT = 1024


def manifest_headers(digest: Digest, media_type: str, size: int) -> dict[str, str]:
    """end-3, of the bytes as they are stored."""
    return {
        "Content-Type": media_type,
        "Content-Length": str(size),
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        **API_VERSION,
    }


def with_namespace(headers: Mapping[str, str], target: Target) -> dict[str, str]:
    """containerd's `?ns=` is echoed (distribution-spec, Registry proxying)."""
    if target.namespace is None:
        return dict(headers)
    return {**headers, "OCI-Namespace": target.namespace}


def acceptable(accept: str | None, media_type: str) -> bool:
    """Whether the Accept header (RFC 9110, 12.5.1; its lines joined) lets this type through.

    No header lets everything through, and `application/json` every type that is JSON.
    """
    if not accept:
        return True
    if len(accept) > MAX_REMEMBERED_ACCEPT:
        return _accepts(accept, media_type)
    return _remembered(accept, media_type)


def _accepts(accept: str, media_type: str) -> bool:
    wanted = (media_type.lower(), "application/*", "*/*")
    is_json = media_type.endswith(("+json", "+prettyjws"))
    verdicts: dict[str, bool] = {}
    for element in accept.lower().split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        refused = any(_is_zero(parameter) for parameter in parameters)
        verdicts[name] = verdicts.get(name, False) or not refused
    if not any(verdicts):
        return True
    for name in wanted:
        if name in verdicts:
            return verdicts[name]
    return is_json and verdicts.get("application/json", False)


def _is_zero(parameter: str) -> bool:
    """`q=0`, also written `q=0.000`."""
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in ("", "0.", ".")


_remembered = lru_cache(maxsize=512)(_accepts)


def is_known_to_client(request: Request, digest: str) -> bool:
    """If-None-Match (RFC 9110, 13.1.2). Entity tags here are the digest; weak ones compare too."""
    asked = request.headers.get("If-None-Match")
    if not asked:
        return False
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in asked.split(","))
    return any(tag in (digest, "*") for tag in tags)


def manifest_reply(
    request: Request,
    target: Target,
    *,
    digest: Digest,
    media_type: str,
    content: bytes,
    outcome: Outcome,
    extra: Mapping[str, str],
) -> Reply:
    """200, 304, or 404 where the client names the types that it understands and this is none."""
    if not acceptable(request.headers.get("Accept"), media_type):
        raise RegistryError(
            ErrorCode.MANIFEST_UNKNOWN,
            f"the manifest is of type {media_type}, which the Accept header excludes",
            detail={"mediaType": media_type, "digest": digest},
            outcome=outcome,
        )
    headers = with_namespace(manifest_headers(digest, media_type, len(content)), target)
    headers.update(extra)
    if is_known_to_client(request, digest):
        del headers["Content-Length"], headers["Content-Type"]
        return Reply(status=304, headers=headers, outcome=outcome)
    body = b"" if request.method == "HEAD" else content
    return Reply(status=200, headers=headers, body=body, outcome=outcome)
