"""A tag of a mirrored repository: believed, asked for again, or served stale and said so."""

import logging
from collections.abc import Callable, Mapping

from msgspec import Struct

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import Gone, UpstreamConfig
from homeport.mirror.model.names import Repository
from homeport.mirror.model.record import Cache, Outcome
from homeport.mirror.pull.freshness import (
    Troubles,
    age,
    describe,
    is_of_upstream,
    longest_pause,
    moment,
    warning,
)
from homeport.mirror.pull.manifests_fetch import Fetch, Fetched
from homeport.mirror.pull.negative import Negatives
from homeport.mirror.pull.revalidate_flights import Flight, Flights
from homeport.mirror.pull.upstream_error import registry_error
from homeport.mirror.pull.warm import Mark, Page
from homeport.mirror.pull.warm_load import Holdings
from homeport.mirror.store.api import Metadata, StoreError
from homeport.oci.error_code import ErrorCode
from homeport.remote.errors import DeniedError, NotFoundError, RemoteError, TimedOutError

_log = logging.getLogger(__name__)


class Served(Struct, frozen=True, kw_only=True):
    """What to answer with, and what to say beside it."""

    page: Page
    outcome: Outcome
    headers: Mapping[str, str] = {}


class TagReader:
    """Which manifest a tag names now. Everything raises RegistryError."""

    def __init__(
        self,
        *,
        holdings: Holdings,
        fetch: Fetch,
        metadata: Metadata,
        negatives: Negatives,
        troubles: Troubles,
        config_of: Callable[[str], UpstreamConfig],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        limit: int,
    ) -> None:
        self._holdings = holdings
        self._fetch = fetch
        self._metadata = metadata
        self._negatives = negatives
        self._troubles = troubles
        self._config_of = config_of
        self._clock = clock
        self._monotonic = monotonic
        self._flights: Flights[Fetched] = Flights(limit)
        self._probing: set[str] = set()

    async def close(self) -> None:
        await self._flights.close()

    async def served(self, repository: Repository, tag: str, owner: str) -> Served:
        """`owner` is the client's address, for the upstream's fair queue."""
        mark = await self._holdings.by_tag(repository, tag)
        if mark is None:
            return await self._cold(repository, tag, owner)
        if mark.fresh_until > self._monotonic():
            return Served(page=mark.page, outcome=mark.page.hit)
        return await self._stale(repository, tag, mark, owner)

    async def _cold(self, repository: Repository, tag: str, owner: str) -> Served:
        known = self._negatives.of(repository, tag, self._monotonic())
        if known is not None:
            raise _unknown(known, Cache.NEGATIVE)
        config = self._config_of(repository.upstream)
        flight = self._flights.get((repository, tag))
        cache = Cache.MISS if flight is None else Cache.JOINED
        if flight is None:
            flight = self._begin(repository, tag, owner)
        if not await flight.wait(config.answer_timeout):
            raise registry_error(_late(repository), unknown=ErrorCode.MANIFEST_UNKNOWN, cache=cache)
        try:
            fetched = flight.result()
        except RemoteError as error:
            raise registry_error(error, unknown=ErrorCode.MANIFEST_UNKNOWN, cache=cache) from None
        return await self._arrived(repository, tag, fetched, cache)

    async def _arrived(
        self, repository: Repository, tag: str, fetched: Fetched, cache: Cache
    ) -> Served:
        page: Page | None = None
        if fetched.manifest is not None and not fetched.stored:
            page, cache = Page(repository, fetched.manifest), Cache.THROUGH
        elif (mark := await self._holdings.by_tag(repository, tag)) is not None:
            page = mark.page
        elif fetched.manifest is not None:
            page = Page(repository, fetched.manifest)
        if page is None:
            raise RegistryError(ErrorCode.MANIFEST_UNKNOWN, "the tag was deleted just now")
        detail = None if fetched.manifest is not None else "confirmed by the upstream"
        outcome = page.outcome(cache, source=fetched.source, status=200, detail=detail)
        return Served(page=page, outcome=outcome)

    async def _stale(self, repository: Repository, tag: str, mark: Mark, owner: str) -> Served:
        """One short wait for all who ask; in times of trouble none, and a probe behind it."""
        config = self._config_of(repository.upstream)
        upstream, key = repository.upstream, (repository, tag)
        trouble = self._troubles.worst(key, upstream)
        flight = self._flights.get(key)
        if trouble is not None and (flight is None or upstream in self._probing):
            if flight is None and self._monotonic() >= trouble.retry_at:
                self._probe(repository, tag)
            return self._as_stale(mark, trouble.error)
        began = flight is None
        if flight is None:
            if self._is_full:
                return self._as_stale(mark, _late(repository))
            flight = self._begin(repository, tag, owner)
        if not await flight.wait(config.revalidate_timeout):
            if trouble is not None:
                return self._as_stale(mark, trouble.error)
            late = _late(repository)
            self._note(repository, tag, late)
            return self._as_stale(mark, late)
        try:
            fetched = flight.result()
        except RemoteError as error:
            return await self._failed(repository, tag, mark, error)
        same = fetched.manifest is None or fetched.manifest.digest == mark.page.digest
        cache = Cache.HIT if same else Cache.MISS if began else Cache.JOINED
        return await self._arrived(repository, tag, fetched, cache)

    async def _failed(
        self, repository: Repository, tag: str, mark: Mark, error: RemoteError
    ) -> Served:
        """The table of docs/reference/mirror-errors.md, for what is held."""
        config = self._config_of(repository.upstream)
        if isinstance(error, DeniedError) and not is_kept_when_denied(config):
            raise registry_error(error, unknown=ErrorCode.MANIFEST_UNKNOWN, digest=mark.page.digest)
        if isinstance(error, NotFoundError):
            now = await self._holdings.by_tag(repository, tag)
            if now is None:
                raise _unknown(error, Cache.MISS)
            mark = now
        return self._as_stale(mark, error)

    def _as_stale(self, mark: Mark, error: RemoteError) -> Served:
        said = describe(error)
        text = f"stale: {said}; last confirmed {moment(mark.checked)}"
        if mark.gone is not None:
            text = f"gone upstream since {moment(mark.gone)}; kept here ({said})"
        return Served(
            page=mark.page,
            outcome=mark.page.outcome(
                Cache.STALE, source=error.host or None, status=error.status, detail=text
            ),
            headers={
                "Warning": warning(f"homeport: {text}"),
                "Age": str(age(mark.checked, self._clock())),
            },
        )

    @property
    def _is_full(self) -> bool:
        return self._flights.full or self._fetch.full

    def _begin(self, repository: Repository, tag: str, owner: str) -> Flight[Fetched]:
        if self._is_full:
            raise RegistryError(
                ErrorCode.TOOMANYREQUESTS,
                "too many manifests are being fetched at once",
                headers={"Retry-After": "1"},
            )
        return self._flights.begin(
            (repository, tag), lambda: self._ask(repository, tag, owner or tag)
        )

    def _probe(self, repository: Repository, tag: str) -> None:
        """Look whether it is over, behind the client's back: one at a time for each upstream."""
        if repository.upstream in self._probing or self._is_full:
            return
        self._probing.add(repository.upstream)

        async def work() -> Fetched:
            try:
                return await self._ask(repository, tag, "probe")
            finally:
                self._probing.discard(repository.upstream)

        self._flights.begin((repository, tag), work)

    async def _ask(self, repository: Repository, tag: str, owner: str) -> Fetched:
        """Ask, and remember what that says of the tag and of its upstream."""
        try:
            fetched = await self._fetch.tag(repository, tag, owner)
        except NotFoundError as error:
            self._troubles.clear(repository.upstream)
            return await self._not_found(repository, tag, error, owner)
        except RemoteError as error:
            if not is_of_upstream(error):
                self._troubles.clear(repository.upstream)
            self._note(repository, tag, error)
            raise
        self._troubles.clear(repository.upstream)
        self._troubles.clear((repository, tag))
        return fetched

    def _note(self, repository: Repository, tag: str, error: RemoteError) -> None:
        config = self._config_of(repository.upstream)
        if isinstance(error, DeniedError) and not is_kept_when_denied(config):
            return  # nothing is served meanwhile, so each client's question is asked
        key = repository.upstream if is_of_upstream(error) else (repository, tag)
        self._troubles.note(key, error, now=self._monotonic(), longest=longest_pause(error, config))

    async def _not_found(
        self, repository: Repository, tag: str, error: NotFoundError, owner: str
    ) -> Fetched:
        """Held: kept and marked, or removed, by policy. Cold: remembered for a while."""
        config = self._config_of(repository.upstream)
        row = await self._metadata.tag(repository, tag)
        if row is not None and config.gone is Gone.REMOVE:
            try:
                # A HEAD has no body that says why; nothing is deleted for its sake alone.
                return await self._fetch.tag_by_get(repository, tag, owner)
            except NotFoundError as sure:
                error = sure
            await self._metadata.delete_tag(repository, tag)
            row = None
        now = self._monotonic()
        if row is None:
            self._negatives.note(repository, tag, error, until=now + config.negative_ttl)
            raise error
        # Asked again as soon as a cold one would be: a 404 may be an accident of the upstream.
        self._troubles.settle((repository, tag), error, now=now, seconds=config.negative_ttl)
        if row.gone is None:
            try:
                await self._metadata.mark_gone(repository, tag, at=self._clock())
            except StoreError:
                _log.exception("cannot mark a tag as gone")
        raise error


def is_kept_when_denied(config: UpstreamConfig) -> bool:
    """ADR 0013: what everybody may see was public, so a denial says "gone" (Docker Hub says 401 of
    a deleted repository). What came by the mirror's credentials is the upstream's to deny."""
    return config.open_to_anonymous and config.gone is Gone.KEEP


def _late(repository: Repository) -> TimedOutError:
    return TimedOutError(f"{repository.upstream} did not answer in time", host=repository.upstream)


def _unknown(error: RemoteError, cache: Cache) -> RegistryError:
    return registry_error(error, unknown=ErrorCode.MANIFEST_UNKNOWN, cache=cache)
