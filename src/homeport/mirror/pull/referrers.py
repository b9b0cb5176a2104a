"""end-12: what refers to a manifest, here and at its upstream."""

from collections import OrderedDict
from collections.abc import Callable, Mapping

from msgspec import Struct

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import UpstreamConfig
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import Repository, Target
from homeport.mirror.model.record import Cache, Outcome
from homeport.mirror.pull.freshness import (
    Troubles,
    age,
    describe,
    longest_pause,
    ttl_of,
    warning,
    without_frames,
)
from homeport.mirror.pull.manifests_reply import API_VERSION, with_namespace
from homeport.mirror.pull.referrers_index import (
    PAGE_BYTES,
    Entry,
    entries_of,
    entry_of,
    merged,
    page_of,
    referrers_tag,
)
from homeport.mirror.pull.revalidate_flights import Flights
from homeport.mirror.pull.tags import next_link
from homeport.mirror.pull.upstream_error import registry_error
from homeport.mirror.store.api import Metadata
from homeport.mirror.upstream.api import Upstream
from homeport.oci.digest import Digest, parse_digest
from homeport.oci.error_code import ErrorCode
from homeport.oci.media_type import INDEXES, OCI_INDEX
from homeport.remote.errors import (
    BusyError,
    CrowdedError,
    FailedError,
    NotFoundError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)

LONGEST_TYPE = 255
CACHE_BYTES = 16 * 1024**2
ENTRY_COST = 512
PARSED = 4
"""How much larger entries are than their JSON, about."""


class Known(Struct, frozen=True, kw_only=True):
    """An upstream's answer. `until` is monotonic, `checked` seconds since 1970."""

    entries: tuple[Entry, ...]
    size: int
    until: float
    checked: float


class _Found(Struct, frozen=True, kw_only=True):
    entries: tuple[Entry, ...]
    outcome: Outcome
    headers: Mapping[str, str] = {}


class ReferrerLists:
    """Everything raises RegistryError. An upstream's answer is believed as long as a tag is."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        upstream_of: Callable[[str], Upstream],
        config_of: Callable[[str], UpstreamConfig],
        troubles: Troubles,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        limit: int,
        page_bytes: int = PAGE_BYTES,
    ) -> None:
        self._metadata = metadata
        self._upstream_of = upstream_of
        self._config_of = config_of
        self._troubles = troubles
        self._clock = clock
        self._monotonic = monotonic
        self._page_bytes = page_bytes
        self._flights: Flights[Known] = Flights(limit)
        self._known: OrderedDict[tuple[Repository, Digest], Known] = OrderedDict()
        self._size = 0

    async def close(self) -> None:
        await self._flights.close()

    def clear(self) -> None:
        """Forget what upstreams said: settings have changed."""
        self._known.clear()
        self._size = 0

    async def reply(self, request: Request, target: Target, digest: str) -> Reply:
        try:
            subject = parse_digest(digest)
        except ValueError as error:
            raise RegistryError(ErrorCode.DIGEST_INVALID, str(error)) from None
        wanted = request.query.get("artifactType") or None
        if wanted is not None and len(wanted) > LONGEST_TYPE:
            raise RegistryError(ErrorCode.UNSUPPORTED, "artifactType is too long", status=400)
        found = await self._found(target.repository, subject)
        try:
            page = page_of(
                found.entries,
                artifact_type=wanted,
                after=request.query.get("last") or None,
                limit=self._page_bytes,
            )
        except ValueError as error:
            raise RegistryError(ErrorCode.UNSUPPORTED, str(error), status=400) from None
        headers = with_namespace({"Content-Type": OCI_INDEX, **API_VERSION}, target)
        headers["Content-Length"] = str(len(page.content))
        headers.update(found.headers)
        query = {}
        if wanted is not None:
            headers["OCI-Filters-Applied"] = "artifactType"
            query["artifactType"] = wanted
        if page.next is not None:
            query["last"] = page.next
            headers["Link"] = next_link(target, f"referrers/{subject}", query)
        body = b"" if request.method == "HEAD" else page.content
        return Reply(status=200, headers=headers, body=body, outcome=found.outcome)

    async def _found(self, repository: Repository, subject: Digest) -> _Found:
        if repository.is_local:
            entries = await self._held(repository, subject)
            return _Found(entries=entries, outcome=Outcome(digest=subject))
        overlay = await self._held(repository.overlay, subject)
        key = (repository, subject)
        known = self._known.get(key)
        if known is not None and self._monotonic() < known.until:
            self._known.move_to_end(key)
            return _fresh(merged(known.entries, overlay), subject, Cache.HIT)
        try:
            now = await self._ask(repository, subject)
            return _fresh(merged(now.entries, overlay), subject, Cache.MISS)
        except RemoteError as error:
            failed = error
        return await self._failed(repository, subject, known, overlay, failed)

    async def _failed(
        self,
        repository: Repository,
        subject: Digest,
        known: Known | None,
        overlay: tuple[Entry, ...],
        error: RemoteError,
    ) -> _Found:
        """Stale, or what was pulled or pushed here; where that is nothing, an error: "no
        signatures" must not be said by somebody who could not ask."""
        text = f"perhaps not all referrers: {describe(error)}"
        headers = {"Warning": warning(f"homeport: {text}")}
        if known is not None:
            headers["Age"] = str(age(known.checked, self._clock()))
            entries = merged(known.entries, overlay)
        else:
            entries = merged(await self._held(repository, subject), overlay)
        if known is None and not entries:
            raise registry_error(error, unknown=ErrorCode.NAME_UNKNOWN, digest=subject)
        outcome = Outcome(
            cache=Cache.STALE,
            digest=subject,
            upstream_url=error.host or None,
            upstream_status=error.status,
            detail=text,
        )
        return _Found(entries=entries, outcome=outcome, headers=headers)

    async def _ask(self, repository: Repository, subject: Digest) -> Known:
        config, name = self._config_of(repository.upstream), repository.upstream
        trouble, key = self._troubles.of(name), (repository, subject)
        if trouble is not None and self._monotonic() < trouble.retry_at:
            raise without_frames(trouble.error)
        deadline = config.answer_timeout if trouble is None else config.revalidate_timeout
        flight = self._flights.get(key)
        if flight is None:
            if self._flights.full:
                raise BusyError("too many lists are being fetched at once", retry_after=1.0)
            flight = self._flights.begin(key, lambda: self._fetch(repository, subject))
        if not await flight.wait(deadline):
            raise TimedOutError(f"{name} did not answer in time", host=name)
        return flight.result()

    async def _fetch(self, repository: Repository, subject: Digest) -> Known:
        config, name = self._config_of(repository.upstream), repository.upstream
        checked = self._clock()
        try:
            content = await self._upstream_of(name).get_referrers(
                repository.name, subject, deadline=config.answer_timeout
            )
            entries = () if content is None else entries_of(content)
        except NotFoundError:
            content, entries = None, ()
        except ValueError as error:
            raise FailedError(str(error)[:200], host=name) from None
        except CrowdedError:
            raise
        except (TimedOutError, UnreachableError) as error:
            self._troubles.note(
                name, error, now=self._monotonic(), longest=longest_pause(error, config)
            )
            raise
        ttl = ttl_of(config, repository, referrers_tag(subject))
        size = PARSED * (len(content) if content else 0) + ENTRY_COST
        known = Known(entries=entries, size=size, until=self._monotonic() + ttl, checked=checked)
        self._keep((repository, subject), known)
        return known

    def _keep(self, key: tuple[Repository, Digest], known: Known) -> None:
        old = self._known.pop(key, None)
        self._size += known.size - (old.size if old is not None else 0)
        self._known[key] = known
        while self._size > CACHE_BYTES and self._known:
            self._size -= self._known.popitem(last=False)[1].size

    async def _held(self, repository: Repository, subject: Digest) -> tuple[Entry, ...]:
        """By their subjects, and those of the referrers tag schema."""
        linked = [entry_of(each) for each in await self._metadata.referrers(repository, subject)]
        row = await self._metadata.tag(repository, referrers_tag(subject))
        if row is None or row.media_type not in INDEXES:
            return tuple(linked)
        index = await self._metadata.manifest(repository, row.digest)
        if index is None:
            return tuple(linked)
        try:
            return merged(linked, entries_of(index.content))
        except ValueError:
            return tuple(linked)


def _fresh(entries: tuple[Entry, ...], subject: Digest, cache: Cache) -> _Found:
    return _Found(entries=entries, outcome=Outcome(cache=cache, digest=subject))
