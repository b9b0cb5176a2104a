"""Manifests, tags, lists and referrers: the reading side of everything that is not a blob."""

import asyncio
import contextlib
from collections.abc import Callable

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import UpstreamConfig
from homeport.mirror.model.endpoint import Manifests as ManifestsEndpoint
from homeport.mirror.model.endpoint import Referrers, Tags
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import Repository, Target
from homeport.mirror.model.record import Cache
from homeport.mirror.pull.freshness import Troubles
from homeport.mirror.pull.manifests_fetch import Fetch
from homeport.mirror.pull.manifests_reply import acceptable, manifest_reply
from homeport.mirror.pull.negative import Negatives
from homeport.mirror.pull.referrers import ReferrerLists
from homeport.mirror.pull.revalidate import Served, TagReader
from homeport.mirror.pull.tags import TagLists
from homeport.mirror.pull.upstream_error import registry_error
from homeport.mirror.pull.warm import Page, Warm
from homeport.mirror.pull.warm_load import Holdings
from homeport.mirror.pull.warm_use import Uses
from homeport.mirror.store.api import Change, Kind, Metadata
from homeport.mirror.upstream.api import Upstream
from homeport.oci.digest import Digest, parse_digest
from homeport.oci.error_code import ErrorCode
from homeport.oci.reference import is_tag
from homeport.remote.errors import NotFoundError, RemoteError, TimedOutError

MEMORY = 64 * 1024**2
FLUSH_INTERVAL = 5.0
MAX_FLIGHTS = 1024


class Manifests:
    """`ManifestReader`. `memory` is bytes of manifests kept ready, `flush_interval` seconds between
    writes of what was served. `close` before the store and the upstreams are closed."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        upstream_of: Callable[[str], Upstream],
        config_of: Callable[[str], UpstreamConfig],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        memory: int = MEMORY,
        flush_interval: float = FLUSH_INTERVAL,
        max_flights: int = MAX_FLIGHTS,
    ) -> None:
        self._metadata = metadata
        self._config_of = config_of
        self._monotonic = monotonic
        self._flush_interval = flush_interval
        self._many = asyncio.Event()
        self._flusher: asyncio.Task[None] | None = None
        self._warm = Warm(memory)
        self._negatives = Negatives()
        troubles = Troubles()
        self._uses = Uses(metadata=metadata, clock=clock, monotonic=monotonic, eager=self._many.set)
        self._holdings = Holdings(
            warm=self._warm,
            uses=self._uses,
            metadata=metadata,
            config_of=config_of,
            clock=clock,
            monotonic=monotonic,
        )
        self._fetch = Fetch(
            metadata=metadata,
            upstream_of=upstream_of,
            config_of=config_of,
            clock=clock,
            hold=self._uses.hold,
            limit=max_flights,
        )
        self._by_tag = TagReader(
            holdings=self._holdings,
            fetch=self._fetch,
            metadata=metadata,
            negatives=self._negatives,
            troubles=troubles,
            config_of=config_of,
            clock=clock,
            monotonic=monotonic,
            limit=max_flights,
        )
        self._tag_lists = TagLists(
            metadata=metadata,
            upstream_of=upstream_of,
            config_of=config_of,
            troubles=troubles,
            monotonic=monotonic,
            limit=max_flights,
        )
        self._referrer_lists = ReferrerLists(
            metadata=metadata,
            upstream_of=upstream_of,
            config_of=config_of,
            troubles=troubles,
            clock=clock,
            monotonic=monotonic,
            limit=max_flights,
        )
        metadata.subscribe(self._changed)

    def held(self, request: Request, target: Target, endpoint: ManifestsEndpoint) -> Reply | None:
        """A 200 from memory: a digest that is held, or a tag that is fresh. Whatever is less plain
        is left to `manifest`. The reply's headers are shared: not to be changed."""
        now = self._monotonic()
        page = self._warm.fresh(target.repository, endpoint.reference, now)
        if page is None or not self._uses.is_promised(page, now):
            return None
        headers = request.headers
        accept = headers.get("Accept")
        if accept is not None and not acceptable(accept, page.media_type):
            return None
        if headers.get("If-None-Match") is not None:
            return None
        if not page.used:
            self._uses.note(page)
        body = b"" if request.method == "HEAD" else page.content
        return Reply(
            status=200, headers=page.headers_for(target.namespace), body=body, outcome=page.hit
        )

    async def manifest(
        self, request: Request, target: Target, endpoint: ManifestsEndpoint
    ) -> Reply:
        """end-3. Raises RegistryError, by the table of docs/reference/mirror-errors.md."""
        self._start()
        repository, reference = target.repository, endpoint.reference
        if ":" in reference:
            try:
                digest = parse_digest(reference)
            except ValueError as error:
                raise RegistryError(ErrorCode.DIGEST_INVALID, str(error)) from None
            served = await self._of_digest(repository, digest, request.address)
        elif is_tag(reference):
            served = await self._of_tag(repository, reference, request.address)
        else:
            raise RegistryError(ErrorCode.MANIFEST_UNKNOWN, "no tag is written like that")
        if served is None:
            known = await self._metadata.has_repository(repository)
            code = ErrorCode.MANIFEST_UNKNOWN if known else ErrorCode.NAME_UNKNOWN
            what = "manifest" if known else "repository"
            raise RegistryError(code, f"no such {what} here")
        page = served.page
        self._uses.note(page)
        return manifest_reply(
            request,
            target,
            digest=page.digest,
            media_type=page.media_type,
            content=page.content,
            outcome=served.outcome,
            extra=served.headers,
        )

    async def tags(self, request: Request, target: Target, endpoint: Tags) -> Reply:  # noqa: ARG002
        """end-8."""
        return await self._tag_lists.reply(request, target)

    async def referrers(self, request: Request, target: Target, endpoint: Referrers) -> Reply:
        """end-12."""
        return await self._referrer_lists.reply(request, target, endpoint.digest)

    async def flush(self) -> None:
        """Write now what was served and extend holds."""
        await self._uses.flush()

    def reconfigured(self) -> None:
        """After a reload: lifetimes are computed anew. Nothing that is under way is disturbed."""
        self._warm.clear()
        self._referrer_lists.clear()

    async def close(self) -> None:
        """End errands and the background, then flush."""
        if self._flusher is not None:
            self._flusher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._flusher
            self._flusher = None
        for part in (self._by_tag, self._fetch, self._tag_lists, self._referrer_lists):
            await part.close()
        await self._uses.flush()

    async def _of_tag(self, repository: Repository, tag: str, address: str) -> Served | None:
        if repository.is_local:
            mark = await self._holdings.by_tag(repository, tag)
            return None if mark is None else _hit(mark.page)
        try:
            return await self._by_tag.served(repository, tag, address)
        except RegistryError as error:
            if error.status != 404:
                raise
            overlaid = await self._holdings.by_tag(repository.overlay, tag)
            if overlaid is None:
                raise
            return _hit(overlaid.page)

    async def _of_digest(
        self, repository: Repository, digest: Digest, address: str
    ) -> Served | None:
        """Held here: never asked for. Else the repository's own upstream must have it, which is
        also the proof that this repository may show it."""
        page = await self._holdings.by_digest(repository, digest)
        if page is not None:
            return _hit(page)
        if repository.is_local:
            return None
        page = await self._holdings.by_digest(repository.overlay, digest)
        if page is not None:
            return _hit(page)
        known = self._negatives.of(repository, digest, self._monotonic())
        if known is not None:
            raise _unknown(known, Cache.NEGATIVE, digest)
        if self._fetch.full:
            raise RegistryError(
                ErrorCode.TOOMANYREQUESTS,
                "too many manifests are being fetched at once",
                headers={"Retry-After": "1"},
            )
        return await self._fetched(repository, digest, address)

    async def _fetched(self, repository: Repository, digest: Digest, address: str) -> Served:
        config = self._config_of(repository.upstream)
        flight, began = self._fetch.digest(repository, digest, address or digest)
        cache = Cache.MISS if began else Cache.JOINED
        try:
            if not await flight.wait(config.answer_timeout):
                name = repository.upstream
                raise TimedOutError(f"{name} did not answer in time", host=name)
            fetched = flight.result()
        except NotFoundError as error:
            until = self._monotonic() + config.negative_ttl
            self._negatives.note(repository, digest, error, until=until)
            raise _unknown(error, cache, digest) from None
        except RemoteError as error:
            raise _unknown(error, cache, digest) from None
        page = await self._holdings.by_digest(repository, digest) if fetched.stored else None
        if page is None:
            if fetched.manifest is None:
                raise RegistryError(ErrorCode.MANIFEST_UNKNOWN, "it was deleted just now")
            page, cache = Page(repository, fetched.manifest), Cache.THROUGH
        outcome = page.outcome(cache, source=fetched.source, status=200)
        return Served(page=page, outcome=outcome)

    def _changed(self, change: Change) -> None:
        self._warm.changed(change)
        if change.kind in (Kind.TAG, Kind.MANIFEST):
            self._negatives.clear(change.repository, change.key)

    def _start(self) -> None:
        if self._flusher is None:
            self._flusher = asyncio.get_running_loop().create_task(self._flush_often())

    async def _flush_often(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._many.wait(), self._flush_interval)
            self._many.clear()
            await self._uses.flush()


def _hit(page: Page) -> Served:
    return Served(page=page, outcome=page.hit)


def _unknown(error: RemoteError, cache: Cache, digest: Digest) -> RegistryError:
    return registry_error(error, unknown=ErrorCode.MANIFEST_UNKNOWN, digest=digest, cache=cache)
