"""Repository names and tags (distribution-spec, Pulling manifests)."""

import re
from typing import NewType

from homeport.oci.digest import Digest, parse_digest

Tag = NewType("Tag", str)
"""A tag that `parse_tag` has accepted."""

MAX_NAME = 255
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


def is_name(text: str) -> bool:
    """Whether the text is a repository name, without a registry's host."""
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None


def parse_tag(text: str) -> Tag:
    """A tag; raises ValueError for anything else."""
    if not is_tag(text):
        raise ValueError("a tag is up to 128 letters, digits, '_', '.' and '-'")
    return Tag(text)


def parse_reference(text: str) -> Tag | Digest:
    """A tag, or a digest where there is a colon; raises ValueError."""
    return parse_digest(text) if ":" in text else parse_tag(text)
