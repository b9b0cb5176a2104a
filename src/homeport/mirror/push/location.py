"""Paths for `Location`, relative and under the name that the client used (RFC 9110, 10.2.2).

A relative path is right behind every proxy, whatever scheme and host the client sees.
"""

from urllib.parse import quote

from homeport.mirror.model.names import Target
from homeport.oci.digest import Digest


def upload_path(target: Target, session: str) -> str:
    return _path(target, f"blobs/uploads/{session}")


def blob_path(target: Target, digest: Digest) -> str:
    return _path(target, f"blobs/{digest}")


def manifest_path(target: Target, digest: Digest) -> str:
    return _path(target, f"manifests/{digest}")


def _path(target: Target, rest: str) -> str:
    """`ns` is repeated, because the next request must lead to the same repository."""
    query = "" if target.namespace is None else f"?ns={quote(target.namespace, safe='')}"
    return f"/v2/{target.asked}/{rest}{query}"
