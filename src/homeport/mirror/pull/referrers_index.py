"""Referrers indexes (image-spec image-index.md; distribution-spec, Listing Referrers).

Pure. Entries are kept as they came, unknown fields included; hostile ones are dropped.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from homeport.oci.bounds import check_bounds
from homeport.oci.digest import Digest, algorithm_of, hex_of, parse_digest
from homeport.oci.manifest import MAX_DESCRIPTORS, Descriptor
from homeport.oci.media_type import OCI_INDEX

PAGE_BYTES = 4 * 1024**2 - 4096
"""The specification's limit of a manifest, less what stands around the entries."""

LARGEST_INDEX = 16 * 1024**2

Entry = Mapping[str, Any]


class _Index(Struct):
    manifests: list[dict[str, Any]] | None = None


class Page(Struct, frozen=True, kw_only=True):
    """`content` is an index; `next` is the digest after which the next page begins."""

    content: bytes
    next: str | None = None


def referrers_tag(digest: Digest) -> str:
    """The tag under which clients without the API keep an index (Referrers Tag Schema)."""
    return f"{algorithm_of(digest)}-{hex_of(digest)}"[:128]


def entries_of(content: bytes) -> tuple[Entry, ...]:
    """The descriptors of an index; raises ValueError where it is none."""
    if len(content) > LARGEST_INDEX:
        raise ValueError(f"an index of referrers of more than {LARGEST_INDEX} bytes")
    check_bounds(content, "the index of referrers")
    try:
        index = msgspec.json.decode(content, type=_Index)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"the index of referrers is not valid: {error}") from None
    found = index.manifests or []
    if len(found) > MAX_DESCRIPTORS:
        raise ValueError(f"the index of referrers has more than {MAX_DESCRIPTORS} entries")
    return tuple(entry for entry in found if _is_descriptor(entry))


def _is_descriptor(entry: Entry) -> bool:
    digest, size = entry.get("digest"), entry.get("size")
    if not isinstance(digest, str) or not isinstance(entry.get("mediaType"), str):
        return False
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        return False
    try:
        parse_digest(digest)
    except ValueError:
        return False
    return isinstance(entry.get("artifactType", ""), str)


def entry_of(descriptor: Descriptor) -> Entry:
    """An entry for a manifest that is held."""
    entry: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    if descriptor.artifact_type:
        entry["artifactType"] = descriptor.artifact_type
    if descriptor.annotations:
        entry["annotations"] = dict(descriptor.annotations)
    return entry


def merged(*lists: Iterable[Entry]) -> tuple[Entry, ...]:
    """In the order of the lists, each digest once: the first that names it is believed."""
    found: dict[str, Entry] = {}
    for entries in lists:
        for entry in entries:
            found.setdefault(entry["digest"], entry)
    return tuple(found.values())


def page_of(
    entries: Sequence[Entry], *, artifact_type: str | None, after: str | None, limit: int
) -> Page:
    """The entries of one type (None: all) after a digest, as an index of at most `limit` bytes (but
    at least one entry). Raises ValueError where `after` is not among them."""
    chosen = [
        entry
        for entry in entries
        if artifact_type is None or entry.get("artifactType") == artifact_type
    ]
    if after is not None:
        digests = [entry["digest"] for entry in chosen]
        if after not in digests:
            raise ValueError("the list has changed; begin again without `last`")
        chosen = chosen[digests.index(after) + 1 :]
    encoded: list[bytes] = []
    size = 0
    for entry in chosen:
        text = msgspec.json.encode(entry)
        if encoded and size + len(text) + 1 > limit:
            break
        encoded.append(text)
        size += len(text) + 1
    head = b'{"schemaVersion":2,"mediaType":"%s","manifests":[' % OCI_INDEX.encode()
    content = head + b",".join(encoded) + b"]}"
    left = len(encoded) < len(chosen)
    return Page(content=content, next=chosen[len(encoded) - 1]["digest"] if left else None)
