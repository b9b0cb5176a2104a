"""Media types of manifests, and which of them a registry is asked for."""

import re

_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_V1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_V1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCTET_STREAM = "application/octet-stream"
JSON = "application/json"

IMAGES = frozenset((OCI_MANIFEST, DOCKER_MANIFEST))
INDEXES = frozenset((OCI_INDEX, DOCKER_LIST))

ACCEPT = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST, DOCKER_V1_SIGNED, DOCKER_V1, "*/*")
"""What every upstream is asked for, whatever the client accepts: the bytes of a tag must not depend
on who asked first."""

NON_DISTRIBUTABLE = ".nondistributable."
FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def is_distributable(media_type: str) -> bool:
    """False for layers that a registry need not hold (image-spec layer.md, Non-Distributable)."""
    return NON_DISTRIBUTABLE not in media_type and media_type != FOREIGN_LAYER


def is_media_type(text: str) -> bool:
    """Whether it is `type/subtype` (RFC 6838, 4.2), short enough for a header. A type that a
    document says of itself is text like any other: a line break in it would break every answer."""
    return _TYPE.fullmatch(text) is not None


def bare(content_type: str) -> str:
    """A media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()
