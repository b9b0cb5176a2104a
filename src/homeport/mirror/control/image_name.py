"""An image as people write it, on the way to a name that the resolver takes. Pure."""

from urllib.parse import urlsplit

from msgspec import Struct

from homeport.mirror.model.config import ListenerConfig, MirrorConfig, Role
from homeport.mirror.names.hosts import canonical_host, is_host, looks_like_host, path_form
from homeport.oci.reference import is_name, parse_reference

MAX_IMAGE = 1024


class ImageName(Struct, frozen=True, kw_only=True):
    """`host` is a registry's as it stands in a path, empty where none was written; `reference` a
    tag or a digest, None where there was neither."""

    host: str
    name: str
    reference: str | None

    @property
    def path(self) -> str:
        return f"{self.host}/{self.name}" if self.host else self.name


def parse_image(text: str) -> ImageName:
    """`alpine`, `quay.io/o/i:1`, `host:5000/app@sha256:…`, `docker.io/a:1@sha256:…` (the digest
    counts). Raises ValueError."""
    if len(text) > MAX_IMAGE:
        raise ValueError("an image's name is not that long")
    rest = text.removeprefix("docker://")
    rest, at, digest = rest.partition("@")
    path, colon, tag = rest.rpartition(":")
    if colon and "/" not in tag:
        rest = path
    else:
        tag = ""
    if at:
        parse_reference(digest)
    if tag:
        parse_reference(tag)
    first, slash, name = rest.partition("/")
    host = ""
    if slash and (looks_like_host(first) or ":" in first):
        if not is_host(first.lower()):
            raise ValueError(f"{first[:128]!r} is no registry's host")
        host, rest = path_form(canonical_host(first)), name
    if not is_name(rest):
        raise ValueError(f"{text[:128]!r} is no image's name")
    return ImageName(host=host, name=rest, reference=digest if at else tag or None)


def without_own_host(image: ImageName, config: MirrorConfig) -> ImageName:
    """The mirror's own addresses in front say nothing about where the image comes from. What
    follows them may begin with a registry's host again: `registry.corp/ghcr.io/o/i`."""
    if not any(image.host in own_hosts(listener) for listener in config.listeners):
        return image
    first, slash, rest = image.name.partition("/")
    if slash and looks_like_host(first):
        return ImageName(host=canonical_host(first), name=rest, reference=image.reference)
    return ImageName(host="", name=image.name, reference=image.reference)


def own_hosts(listener: ListenerConfig) -> frozenset[str]:
    """What stands in front of an image's name for a client of this listener."""
    found: set[str] = set()
    if listener.external_url is not None:
        found.add(path_form(urlsplit(listener.external_url).netloc.lower()))
    if not listener.address.startswith("unix:"):
        found.add(path_form(listener.address.lower()))
    return frozenset(found)


def listener_for(image: ImageName, config: MirrorConfig) -> ListenerConfig:
    """The one that is named in front of it, else the first that such a name can be asked at:
    dockerd asks its registry-mirrors for Docker Hub's images alone."""
    for listener in config.listeners:
        if image.host in own_hosts(listener):
            return listener
    for listener in config.listeners:
        if listener.role is not Role.DOCKER_MIRROR or image.host in ("", config.default_upstream):
            return listener
    return config.listeners[0]
