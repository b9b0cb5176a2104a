"""An upstream as the pulling side sees it. Every call raises `remote.errors.RemoteError`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from homeport.oci.digest import Digest


class ManifestHead(Struct, frozen=True, kw_only=True):
    """`digest` None: the upstream did not say (a GET must tell)."""

    digest: Digest | None
    media_type: str
    size: int | None
    source: str


class ManifestAnswer(Struct, frozen=True, kw_only=True):
    """The bytes as they came; `digest` is computed, and equals what was asked for by digest."""

    content: bytes
    media_type: str
    digest: Digest
    source: str


class BlobStream(Protocol):
    """A download that has begun. `start` is the offset of the first byte that `chunks` yields (0
    where the upstream ignored the range), `size` that of the whole blob where it is known, `source`
    the URL's host that answers."""

    start: int
    size: int | None
    source: str

    def chunks(self) -> AsyncIterator[bytes]:
        """Ends at the end of the content; raises RemoteError where it is cut."""


class Quota(Struct, frozen=True, kw_only=True):
    """The upstream's own rate limit (Docker Hub's ratelimit-* headers)."""

    limit: int
    remaining: int
    window: float
    seen: float


class UpstreamState(Struct, frozen=True, kw_only=True):
    """For status, metrics and explain. `failing` maps a URL's host to the words of its last
    failure, `open_until` says until when the breaker keeps requests from it."""

    name: str
    healthy: bool
    active: int
    waiting: int
    quota: Quota | None = None
    failing: Mapping[str, str] = {}
    open_until: Mapping[str, float] = {}


class Upstream(Protocol):
    """`deadline` is seconds for the whole call; None leaves the configured time-outs. `owner` is
    whose turn it is in the fair queue: a client's address or a fill's digest."""

    name: str

    async def head_manifest(
        self, repository: str, reference: str, *, deadline: float | None = None, owner: str = ""
    ) -> ManifestHead: ...

    async def get_manifest(
        self, repository: str, reference: str, *, deadline: float | None = None, owner: str = ""
    ) -> ManifestAnswer: ...

    async def head_blob(
        self, repository: str, digest: Digest, *, deadline: float | None = None, owner: str = ""
    ) -> int | None:
        """The blob's size, None where the upstream does not say; else NotFoundError."""

    def open_blob(
        self,
        repository: str,
        digest: Digest,
        *,
        start: int = 0,
        stop: int | None = None,
        avoid: frozenset[str] = frozenset(),
        late: frozenset[str] = frozenset(),
        owner: str = "",
    ) -> AbstractAsyncContextManager[BlobStream]:
        """Download from `start`, up to but without `stop`. Sources in `avoid` gave wrong bytes;
        those in `late` were too slow, and are asked after the others."""

    async def list_tags(
        self, repository: str, *, n: int | None, last: str | None, deadline: float | None = None
    ) -> tuple[tuple[str, ...], bool]:
        """Tags, and whether there are more."""

    async def get_referrers(
        self, repository: str, digest: Digest, *, deadline: float | None = None
    ) -> bytes | None:
        """The referrers index as it came (the tag schema tried where there is no API), None where
        there is none."""

    def state(self) -> UpstreamState: ...

    async def close(self) -> None: ...
