"""The index that the referrers API answers with (end-12a)."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from homeport.oci.bounds import check_bounds
from homeport.oci.media_type import OCI_INDEX
from homeport.remote.errors import FailedError


class _Index(Struct, rename="camel"):
    media_type: str = ""
    manifests: list[msgspec.Raw] | None = None


def parse_referrers(content: bytes, host: str, what: str) -> list[msgspec.Raw]:
    """The descriptors as they came; raises FailedError for what is no index."""
    try:
        check_bounds(content, what)
        index = msgspec.json.decode(content, type=_Index)
    except (ValueError, RecursionError):
        raise FailedError(f"{host} answered {what} with something else", host=host) from None
    if index.media_type not in ("", OCI_INDEX) or index.manifests is None:
        raise FailedError(f"{host} answered {what} with no index", host=host)
    return index.manifests


def merge_referrers(pages: Sequence[bytes]) -> bytes:
    """One index of the descriptors of all pages, each as it came."""
    found: list[msgspec.Raw] = []
    for page in pages:
        found += parse_referrers(page, "", "referrers")
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}
    return msgspec.json.encode(index)
