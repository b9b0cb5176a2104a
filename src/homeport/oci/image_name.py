"""Names of images as people write them: `alpine`, `host:5000/team/app:1@sha256:…`.

Source: the reference grammar of the distribution project, and Docker's rule for what is a host: the
first part, if it has a dot or a colon, is `localhost`, or has a capital letter.
"""

import re
from typing import Self

from msgspec import Struct

HUB = "docker.io"
_HUB_HOSTS = frozenset((HUB, "index.docker.io"))
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}")


class ImageName(Struct, frozen=True, kw_only=True):
    """`registry` is `docker.io` for Docker Hub, else the host (and port) in lower case; `path` has
    Docker Hub's `library/` only if it was written; `suffix` is `:TAG`, `@DIGEST`, both or none."""

    registry: str
    path: str
    suffix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for what names no image of a registry: an image's id, `scratch`, or nothing."""
        if _ID.fullmatch(text) or text in ("", "scratch"):
            return None
        name, at, digest = text.partition("@")
        first, slash, rest = name.partition("/")
        if slash and _is_host(first):
            registry, name = first.lower(), rest
        else:
            registry = HUB
        colon = name.rfind(":")
        tag = ""
        if colon > name.rfind("/"):
            name, tag = name[:colon], name[colon:]
        if not name:
            return None
        if registry in _HUB_HOSTS:
            registry = HUB
        return cls(registry=registry, path=name, suffix=f"{tag}{at}{digest}")


def _is_host(part: str) -> bool:
    return "." in part or ":" in part or part == "localhost" or part.lower() != part
