"""end-8: the tags of a repository, here or at its upstream."""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import Gone, UpstreamConfig
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import Repository, Target
from homeport.mirror.model.record import Cache, Outcome
from homeport.mirror.pull.freshness import (
    Troubles,
    describe,
    is_of_upstream,
    longest_pause,
    warning,
    without_frames,
)
from homeport.mirror.pull.manifests_reply import API_VERSION, with_namespace
from homeport.mirror.pull.revalidate_flights import Flights
from homeport.mirror.pull.upstream_error import registry_error
from homeport.mirror.store.api import Metadata
from homeport.mirror.upstream.api import Upstream
from homeport.oci.error_code import ErrorCode
from homeport.oci.media_type import JSON
from homeport.oci.reference import is_tag
from homeport.remote.errors import (
    BusyError,
    DeniedError,
    NotFoundError,
    RemoteError,
    TimedOutError,
)

LONGEST_PAGE = 10_000
LONGEST_LAST = 255


class Listed(Struct, frozen=True, kw_only=True):
    """A page of tags. `next` is what the next page's `last` must be, None at the end."""

    names: Sequence[str]
    next: str | None = None


class TagLists:
    """Mirrored lists are the upstream's own, asked for each time; what is held answers for it
    while it fails. Everything raises RegistryError."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        upstream_of: Callable[[str], Upstream],
        config_of: Callable[[str], UpstreamConfig],
        troubles: Troubles,
        monotonic: Callable[[], float],
        limit: int,
    ) -> None:
        self._metadata = metadata
        self._upstream_of = upstream_of
        self._config_of = config_of
        self._troubles = troubles
        self._monotonic = monotonic
        self._flights: Flights[Listed] = Flights(limit)

    async def close(self) -> None:
        await self._flights.close()

    async def reply(self, request: Request, target: Target) -> Reply:
        n, last = asked_page(request.query)
        repository, size = target.repository, LONGEST_PAGE if n is None else n
        if repository.is_local:
            if not await self._metadata.has_repository(repository):
                raise RegistryError(ErrorCode.NAME_UNKNOWN, f"no repository {target.asked} here")
            listed = await self._held(repository, size, last)
            return _reply(request, target, listed, n=n, outcome=Outcome(), extra={})
        # None are asked for: whether the repository exists is part of the answer all the same.
        listed, outcome, extra = await self._mirrored(repository, 1 if n == 0 else n, last)
        return _reply(request, target, listed, n=n, outcome=outcome, extra=extra)

    async def _mirrored(
        self, repository: Repository, n: int | None, last: str
    ) -> tuple[Listed, Outcome, Mapping[str, str]]:
        try:
            return await self._ask(repository, n, last), Outcome(cache=Cache.THROUGH), {}
        except RemoteError as error:
            failed = error
        held = await self._held(repository, LONGEST_PAGE if n is None else n, last)
        known = bool(held.names) or bool(await self._metadata.tags(repository, after="", limit=1))
        if not known or not self._answers_for(repository, failed):
            raise registry_error(failed, unknown=ErrorCode.NAME_UNKNOWN)
        text = f"only the tags that are held here: {describe(failed)}"
        outcome = Outcome(
            cache=Cache.STALE,
            upstream_url=failed.host or None,
            upstream_status=failed.status,
            detail=text,
        )
        return held, outcome, {"Warning": warning(f"homeport: {text}")}

    def _answers_for(self, repository: Repository, error: RemoteError) -> bool:
        """Whether what is held may stand for an upstream that failed like this."""
        config = self._config_of(repository.upstream)
        if isinstance(error, DeniedError):
            return config.open_to_anonymous and config.gone is Gone.KEEP
        return config.gone is Gone.KEEP or not isinstance(error, NotFoundError)

    async def _ask(self, repository: Repository, n: int | None, last: str) -> Listed:
        config = self._config_of(repository.upstream)
        name = repository.upstream
        trouble = self._troubles.of(name)
        if trouble is not None and self._monotonic() < trouble.retry_at:
            raise without_frames(trouble.error)
        deadline = config.answer_timeout if trouble is None else config.revalidate_timeout
        flight = self._flights.get((repository, n, last))
        if flight is None:
            if self._flights.full:
                raise BusyError("too many lists are being fetched at once", retry_after=1.0)
            flight = self._flights.begin(
                (repository, n, last), lambda: self._list(repository, n, last, deadline)
            )
        if not await flight.wait(deadline):
            raise TimedOutError(f"{name} did not answer in time", host=name)
        return flight.result()

    async def _list(
        self, repository: Repository, n: int | None, last: str, deadline: float
    ) -> Listed:
        config = self._config_of(repository.upstream)
        try:
            names, more = await self._upstream_of(repository.upstream).list_tags(
                repository.name, n=n, last=last or None, deadline=deadline
            )
        except RemoteError as error:
            if is_of_upstream(error) and not isinstance(error, BusyError):
                self._troubles.note(
                    repository.upstream,
                    error,
                    now=self._monotonic(),
                    longest=longest_pause(error, config),
                )
            raise
        self._troubles.clear(repository.upstream)
        return paged(tuple(filter(is_tag, names)), more, LONGEST_PAGE if n is None else n, last)

    async def _held(self, repository: Repository, n: int, last: str) -> Listed:
        names = await self._metadata.tags(repository, after=last, limit=n + 1)
        page = tuple(names[:n])
        return Listed(names=page, next=page[-1] if page and len(names) > n else None)


def asked_page(query: Mapping[str, str]) -> tuple[int | None, str]:
    """`n`, bounded, and `last`."""
    text, last = query.get("n"), query.get("last", "")
    if len(last) > LONGEST_LAST:
        raise RegistryError(
            ErrorCode.UNSUPPORTED, f"last is longer than {LONGEST_LAST} characters", status=400
        )
    if text is None:
        return None, last
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise RegistryError(
            ErrorCode.UNSUPPORTED,
            "n is not a number of entries",
            status=400,
            detail={"n": text[:32]},
        )
    return min(int(text), LONGEST_PAGE), last


def paged(names: Sequence[str], more: bool, n: int, last: str) -> Listed:
    """An upstream's page, sorted. `next` is the upstream's own last entry, whatever its order; a
    longer answer than asked for is the whole list of an upstream that does not know paging."""
    if len(names) <= n:
        return Listed(names=sorted(set(names)), next=names[-1] if more and names else None)
    rest = sorted(name for name in set(names) if name > last)
    page = rest[:n]
    return Listed(names=page, next=page[-1] if page and (more or len(rest) > n) else None)


def next_link(target: Target, path: str, query: Mapping[str, str]) -> str:
    """Link (RFC 8288) to the next page, under the name that the client used, `ns` kept."""
    kept = dict(query)
    if target.namespace is not None:
        kept["ns"] = target.namespace
    return f'</v2/{quote(target.asked)}/{path}?{urlencode(kept)}>; rel="next"'


def _reply(
    request: Request,
    target: Target,
    listed: Listed,
    *,
    n: int | None,
    outcome: Outcome,
    extra: Mapping[str, str],
) -> Reply:
    names = [] if n == 0 else list(listed.names)
    body = msgspec.json.encode({"name": target.asked, "tags": names})
    headers = with_namespace({"Content-Type": JSON, **API_VERSION}, target)
    headers["Content-Length"] = str(len(body))
    headers.update(extra)
    if n != 0 and listed.next is not None:
        query = {"last": listed.next} if n is None else {"n": str(n), "last": listed.next}
        headers["Link"] = next_link(target, "tags/list", query)
    content = b"" if request.method == "HEAD" else body
    return Reply(status=200, headers=headers, body=content, outcome=outcome)
