"""Asking an upstream for a manifest: verified, stored, and once for all who want it."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct

from homeport.mirror.errors import NoSpaceError
from homeport.mirror.model.config import UpstreamConfig
from homeport.mirror.model.names import Repository
from homeport.mirror.pull.revalidate_flights import Flight, Flights
from homeport.mirror.store.api import Metadata, StoreError
from homeport.mirror.upstream.api import ManifestAnswer, ManifestHead, Upstream
from homeport.oci.digest import Digest, algorithm_of, digest_of
from homeport.oci.manifest import Manifest, parse_manifest
from homeport.oci.media_type import JSON, OCI_INDEX, OCI_MANIFEST, OCTET_STREAM, bare
from homeport.remote.errors import FailedError, NotFoundError

GENERIC = frozenset(("", JSON, OCTET_STREAM, "text/plain", "text/html"))
"""What servers of plain files say of any file; the document itself knows better."""

NO_HEAD = (400, 405, 501)
_log = logging.getLogger(__name__)


class Fetched(Struct, frozen=True, kw_only=True):
    """What came of an errand. `manifest` None: the tag is what it was. `stored` False: the store
    had no room or failed, so that the bytes are good for those who wait and nobody else."""

    source: str
    manifest: Manifest | None = None
    stored: bool = True


class Fetch:
    """Errands of all upstreams; each deadline is the upstream's `answer_timeout`."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        upstream_of: Callable[[str], Upstream],
        config_of: Callable[[str], UpstreamConfig],
        clock: Callable[[], float],
        hold: Callable[[Digest], Awaitable[object]],
        limit: int,
    ) -> None:
        self._metadata = metadata
        self._upstream_of = upstream_of
        self._config_of = config_of
        self._clock = clock
        self._hold = hold
        self._digests: Flights[Fetched] = Flights(limit)

    @property
    def full(self) -> bool:
        return self._digests.full

    async def close(self) -> None:
        await self._digests.close()

    def digest(
        self, repository: Repository, digest: Digest, owner: str
    ) -> tuple[Flight[Fetched], bool]:
        """GET by digest into the store, and whether this call began it. Its result raises
        RemoteError."""
        key = (repository, digest)
        found = self._digests.get(key)
        if found is not None:
            return found, False

        async def work() -> Fetched:
            answer = await self._get(repository, digest, owner)
            manifest = verified(answer, asked=digest)
            stored = await self._store(repository, manifest, (), self._clock())
            return Fetched(source=answer.source, manifest=manifest, stored=stored)

        return self._digests.begin(key, work), True

    async def tag(self, repository: Repository, tag: str, owner: str) -> Fetched:
        """HEAD, and GET only what is not held: Docker Hub counts GETs alone. Raises RemoteError."""
        asked_at = self._clock()
        row = await self._metadata.tag(repository, tag)
        head = await self._head(repository, tag, owner)
        if head is None or head.digest is None:
            return await self.tag_by_get(repository, tag, owner)
        digest = head.digest
        held = await self._metadata.manifest(repository, digest)
        if held is not None and row is not None and row.digest == digest:
            await self._try(self._metadata.confirm_tag(repository, tag, at=asked_at))
            return Fetched(source=head.source)
        source = head.source
        if held is None:
            try:
                flight, _ = self.digest(repository, digest, owner)
                await flight.wait(None)
                fetched = flight.result()
            except NotFoundError:
                # It moved meanwhile, or is a registry that knows tags only.
                return await self.tag_by_get(repository, tag, owner)
            held, source = fetched.manifest, fetched.source
        if held is None:
            raise FailedError("the manifest came without content", host=source)
        stored = await self._store(repository, held, (tag,), asked_at)
        return Fetched(source=source, manifest=held, stored=stored)

    async def tag_by_get(self, repository: Repository, tag: str, owner: str) -> Fetched:
        """Where a HEAD does not tell."""
        asked_at = self._clock()
        answer = await self._get(repository, tag, owner)
        manifest = verified(answer, asked=None)
        stored = await self._store(repository, manifest, (tag,), asked_at)
        return Fetched(source=answer.source, manifest=manifest, stored=stored)

    async def _head(self, repository: Repository, tag: str, owner: str) -> ManifestHead | None:
        """None where the upstream does not know the method."""
        try:
            return await self._upstream_of(repository.upstream).head_manifest(
                repository.name, tag, deadline=self._deadline(repository), owner=owner
            )
        except FailedError as error:
            if error.status in NO_HEAD:
                return None
            raise

    async def _get(self, repository: Repository, reference: str, owner: str) -> ManifestAnswer:
        return await self._upstream_of(repository.upstream).get_manifest(
            repository.name, reference, deadline=self._deadline(repository), owner=owner
        )

    def _deadline(self, repository: Repository) -> float:
        return self._config_of(repository.upstream).answer_timeout

    async def _store(
        self, repository: Repository, manifest: Manifest, tags: tuple[str, ...], at: float
    ) -> bool:
        """Hold it, then link it: in that order the sweep cannot come between."""

        async def write() -> None:
            await self._hold(manifest.digest)
            await self._metadata.put_manifest(repository, manifest, tags=tags, at=at, durable=False)

        return await self._try(write())

    async def _try(self, write: Awaitable[None]) -> bool:
        """A cache that cannot write still passes on what it has."""
        try:
            await write
        except (StoreError, NoSpaceError):
            _log.exception("cannot store a manifest; it is passed through")
            return False
        return True


def verified(answer: ManifestAnswer, *, asked: Digest | None) -> Manifest:
    """The manifest in an answer; raises FailedError for bytes that are not what was asked for, or
    no manifest at all."""
    claimed = asked or answer.digest
    digest = digest_of(answer.content, algorithm_of(claimed))
    if digest != claimed:
        raise FailedError(
            f"{answer.source} sent a manifest that is not {claimed}",
            host=answer.source,
            detail=f"its bytes are {digest}",
        )
    media_type = bare(answer.media_type)
    try:
        if media_type in GENERIC:
            media_type = _media_type(answer.content)
        return parse_manifest(answer.content, media_type, digest=digest)
    except ValueError as error:
        raise FailedError(
            f"{answer.source} sent what is no manifest", host=answer.source, detail=str(error)[:200]
        ) from None


class _Said(Struct, rename="camel"):
    media_type: str | None = None
    config: Any = None
    layers: Any = None
    manifests: Any = None


def _media_type(content: bytes) -> str:
    """The document's own type, where the Content-Type says nothing; raises ValueError."""
    try:
        said = msgspec.json.decode(content, type=_Said)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"not a JSON document: {error}") from None
    if said.media_type:
        return said.media_type
    if said.manifests is not None:
        return OCI_INDEX
    if said.config is not None and said.layers is not None:
        return OCI_MANIFEST
    raise ValueError("a JSON document of another kind")
