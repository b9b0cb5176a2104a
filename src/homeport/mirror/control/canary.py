"""The enrolment canary: a tiny image made from a nonce, which no other registry can serve.

An engine that pulls `docker.io/homeport-verify/<nonce>` and gets it has gone through this mirror.
"""

import gzip
import io
import json
import tarfile
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from msgspec import Struct

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.endpoint import Blob, Manifests, Named, Referrers, Tags
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import Target
from homeport.mirror.model.record import Outcome
from homeport.oci.digest import Digest, digest_of
from homeport.oci.error_code import ErrorCode
from homeport.oci.media_type import DOCKER_MANIFEST, OCI_INDEX, OCTET_STREAM

PER_MINUTE = 120
"""Requests for canaries that one address has in a minute: an enrolment of ten engines needs 60."""

_NONCES = 1024
_SEEN = 64
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_CONFIG = "application/vnd.docker.container.image.v1+json"


class Seen(Struct, frozen=True, kw_only=True):
    """One request for a canary: who came, and with which engine."""

    time: float
    address: str
    agent: str
    listener: str
    method: str
    asked: str
    what: str


class Image(Struct, frozen=True, kw_only=True):
    """Contents by digest; the manifest is one of them."""

    manifest: Digest
    contents: dict[Digest, bytes]


@lru_cache(maxsize=256)
def canary_image(nonce: str) -> Image:
    """The same bytes for the same nonce, always."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo("homeport-verify")
        entry.size = len(nonce)
        archive.addfile(entry, io.BytesIO(nonce.encode()))
    layer = gzip.compress(plain.getvalue(), mtime=0)
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"homeport.verify": nonce}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(plain.getvalue())]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": _descriptor(_CONFIG, config),
            "layers": [_descriptor(_LAYER, layer)],
        }
    )
    contents = {digest_of(content): content for content in (layer, config, manifest)}
    return Image(manifest=digest_of(manifest), contents=contents)


class Canaries:
    """Serves them, and remembers for a while who asked; nothing is stored."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: OrderedDict[str, list[Seen]] = OrderedDict()
        self._counts: dict[str, int] = {}
        self._minute = 0

    def seen(self, nonce: str) -> tuple[Seen, ...]:
        return tuple(self._seen.get(nonce, ()))

    def serve(self, request: Request, target: Target, endpoint: Named) -> Reply:
        nonce = target.nonce or ""
        self._limit(request.address)
        image = canary_image(nonce)
        match endpoint:
            case Manifests(reference=reference):
                by_digest = ":" in reference
                digest = Digest(reference) if by_digest else image.manifest
                if digest != image.manifest:
                    raise RegistryError(ErrorCode.MANIFEST_UNKNOWN, "no such canary")
                self._remember(request, target, "manifest")
                return _reply(request, image.contents[digest], digest, DOCKER_MANIFEST, target)
            case Blob(digest=text):
                content = image.contents.get(Digest(text))
                if content is None or text == image.manifest:
                    raise RegistryError(ErrorCode.BLOB_UNKNOWN, "no such blob of this canary")
                self._remember(request, target, "blob")
                return _reply(request, content, Digest(text), OCTET_STREAM, target)
            case Tags():
                body = _json({"name": target.asked, "tags": ["latest"]})
                return Reply(status=200, headers={"Content-Type": "application/json"}, body=body)
            case Referrers():
                body = _json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
                return Reply(status=200, headers={"Content-Type": OCI_INDEX}, body=body)
            case _:
                raise RegistryError(ErrorCode.UNSUPPORTED, "nothing is pushed to a canary")

    def _remember(self, request: Request, target: Target, what: str) -> None:
        nonce = target.nonce or ""
        entries = self._seen.setdefault(nonce, [])
        self._seen.move_to_end(nonce)
        if len(entries) < _SEEN:
            entries.append(
                Seen(
                    time=self._clock(),
                    address=request.address,
                    agent=request.headers.get("User-Agent", "")[:200],
                    listener=request.listener,
                    method=request.method,
                    asked=target.asked,
                    what=what,
                )
            )
        while len(self._seen) > _NONCES:
            self._seen.popitem(last=False)

    def _limit(self, address: str) -> None:
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
        count = self._counts.get(address, 0) + 1
        if count > PER_MINUTE or len(self._counts) > 100_000:
            raise RegistryError(
                ErrorCode.TOOMANYREQUESTS,
                "too many canaries from this address",
                headers={"Retry-After": "60"},
            )
        self._counts[address] = count


def _reply(
    request: Request, content: bytes, digest: Digest, media_type: str, target: Target
) -> Reply:
    headers = {
        "Content-Type": media_type,
        "Content-Length": str(len(content)),
        "Docker-Content-Digest": digest,
    }
    if target.namespace is not None:
        headers["OCI-Namespace"] = target.namespace
    return Reply(
        status=200,
        headers=headers,
        body=b"" if request.method == "HEAD" else content,
        outcome=Outcome(digest=digest, media_type=media_type, size=len(content), detail="canary"),
    )


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "size": len(content), "digest": digest_of(content)}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
