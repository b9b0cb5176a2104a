"""A request's path as an end-point. Pure."""

import re
from urllib.parse import unquote_to_bytes

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.endpoint import (
    Base,
    Blob,
    Catalog,
    Control,
    Endpoint,
    Manifests,
    Referrers,
    Service,
    Tags,
    Upload,
    Uploads,
)
from homeport.oci.error_code import ErrorCode
from homeport.oci.reference import is_name

MAX_PATH = 2048
CONTROL = "/_homeport/"

_SERVICES = {service.value: service for service in Service}
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]|//|/\.\.?(?:/|$)")
_READ = ("GET", "HEAD")


def route(raw_path: str) -> Endpoint | None:
    """The end-point of a path (no query) as it stands in the request line; None where there is
    none.

    Percent-encoding is decoded once, before the path is split. Repository names may contain the
    API's own words (`a/blobs/b/manifests/x`), so that a path is read from its right end. Digests
    and references are not validated. Raises RegistryError, NAME_INVALID, where only the repository
    name is wrong.
    """
    path = _decoded(raw_path)
    if path is None:
        return None
    if path.startswith("/v2/"):
        return _registry(path[4:])
    if path == "/v2":
        return Base()
    if path.startswith(CONTROL):
        if not raw_path.startswith(CONTROL):
            return None  # spelled so that a reverse proxy's rules for this path do not know it
        return Control(path[len(CONTROL) :])
    return _SERVICES.get(path)


def methods(endpoint: Endpoint) -> tuple[str, ...]:
    """What may be asked of an end-point: the Allow of a 405."""
    if endpoint is Service.TOKEN:
        return ("GET", "POST")
    return _METHODS.get(type(endpoint), _READ)


_METHODS: dict[type, tuple[str, ...]] = {
    Manifests: (*_READ, "PUT", "DELETE"),
    Blob: (*_READ, "DELETE"),
    Uploads: ("POST",),
    Upload: (*_READ, "PATCH", "PUT", "DELETE"),
    Control: (*_READ, "POST", "PUT", "DELETE"),
}


def _decoded(raw: str) -> str | None:
    if len(raw) > MAX_PATH:
        return None
    if "%" in raw or not raw.isascii():
        try:
            raw = unquote_to_bytes(raw).decode("utf-8")
        except UnicodeError:
            return None
    return None if _FORBIDDEN.search(raw) else raw


def _registry(rest: str) -> Endpoint | None:
    if not rest:
        return Base()
    if rest == "_catalog":
        return Catalog()
    head, _, last = rest.rpartition("/")
    if not last:  # only an upload's start may end with a slash
        head, _, last = head.rpartition("/")
        return Uploads(_name(head[: -len("/blobs")])) if _starts_upload(head, last) else None
    name, _, word = head.rpartition("/")
    found: Endpoint | None = None
    if word == "manifests":
        found = Manifests(_name(name), last)
    elif word == "blobs":
        found = Uploads(_name(name)) if last == "uploads" else Blob(_name(name), last)
    elif word == "uploads" and name.endswith("/blobs"):
        found = Upload(_name(name[: -len("/blobs")]), last)
    elif word == "referrers":
        found = Referrers(_name(name), last)
    elif word == "tags" and last == "list":
        found = Tags(_name(name))
    return found


def _starts_upload(head: str, last: str) -> bool:
    return last == "uploads" and head.endswith("/blobs")


def _name(text: str) -> str:
    if not is_name(text):
        raise RegistryError(
            ErrorCode.NAME_INVALID,
            "a repository name is up to 255 characters: components of lower-case letters and digits"
            " with single '.', '_', '__' or '-' between them, separated by '/'",
        )
    return text
