"""An upstream: its sources in order, tried until one answers.

A true 404 of one source asks the next one, too: a mirror in the chain may hold only a part. "Not
found" is the answer only where every source said so. If one could not be asked, or failed, that is
the answer: the mirror must not remember a gap that is none.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from homeport.errors import UsageError
from homeport.mirror.model.config import UpstreamConfig
from homeport.mirror.upstream.api import (
    ManifestAnswer,
    ManifestHead,
    Quota,
    Upstream,
    UpstreamState,
)
from homeport.mirror.upstream.settings import make_sources
from homeport.mirror.upstream.source import COUNTED, DOWNLOAD, Source
from homeport.mirror.upstream.turns import Turns
from homeport.oci.digest import Digest
from homeport.remote.client import Client
from homeport.remote.download import Download
from homeport.remote.errors import (
    BusyError,
    CutError,
    DeniedError,
    FailedError,
    ForbiddenTargetError,
    NotFoundError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)

T = TypeVar("T")

_TELLING = (
    BusyError,
    DeniedError,
    ForbiddenTargetError,
    TimedOutError,
    UnreachableError,
    FailedError,
    CutError,
    RemoteError,
)
"""Where all sources failed, the failure of the first of these kinds is raised."""


class _Stream:
    """A download of one source (`upstream.api.BlobStream`)."""

    def __init__(self, download: Download, source: str) -> None:
        self.start = download.start
        self.size = download.size
        self.source = source
        self._download = download

    def chunks(self) -> AsyncIterator[bytes]:
        return self._download.chunks()


class Chain:
    """`upstream.api.Upstream` over sources. Everything in it is its own: no other upstream waits
    for what this one waits for."""

    def __init__(self, config: UpstreamConfig, sources: tuple[Source, ...]) -> None:
        self.name = config.name
        self._sources = sources
        self._wait = config.answer_timeout
        self._turns = Turns(config.connections, name=config.name)
        # Downloads hold their turn for long: some turns are kept for short calls, so that twenty
        # slow layers do not keep a tag from being looked up.
        reserved = max(1, config.connections // 8) if config.connections > 1 else 0
        self._downloads = Turns(config.connections - reserved, name=config.name)

    async def head_manifest(
        self, repository: str, reference: str, *, deadline: float | None = None, owner: str = ""
    ) -> ManifestHead:
        async def ask(client: Client) -> ManifestHead:
            found = await client.head_manifest(repository, reference)
            return ManifestHead(
                digest=found.digest, media_type=found.media_type, size=found.size, source=""
            )

        found, source = await self._call("head", ask, deadline, owner)
        return ManifestHead(
            digest=found.digest, media_type=found.media_type, size=found.size, source=source
        )

    async def get_manifest(
        self, repository: str, reference: str, *, deadline: float | None = None, owner: str = ""
    ) -> ManifestAnswer:
        found, source = await self._call(
            COUNTED, lambda client: client.get_manifest(repository, reference), deadline, owner
        )
        return ManifestAnswer(
            content=found.content, media_type=found.media_type, digest=found.digest, source=source
        )

    async def head_blob(
        self, repository: str, digest: Digest, *, deadline: float | None = None, owner: str = ""
    ) -> int | None:
        found, _ = await self._call(
            "blob-head", lambda client: client.head_blob(repository, digest), deadline, owner
        )
        return found

    async def list_tags(
        self, repository: str, *, n: int | None, last: str | None, deadline: float | None = None
    ) -> tuple[tuple[str, ...], bool]:
        found, _ = await self._call(
            "tags", lambda client: client.list_tags(repository, n=n, last=last), deadline, ""
        )
        return found

    async def get_referrers(
        self, repository: str, digest: Digest, *, deadline: float | None = None
    ) -> bytes | None:
        found, _ = await self._call(
            "referrers", lambda client: client.get_referrers(repository, digest), deadline, ""
        )
        return found

    @asynccontextmanager
    async def open_blob(
        self,
        repository: str,
        digest: Digest,
        *,
        start: int = 0,
        stop: int | None = None,
        avoid: frozenset[str] = frozenset(),
        late: frozenset[str] = frozenset(),
        owner: str = "",
    ) -> AsyncIterator[_Stream]:
        sources = [source for source in self._sources if source.name not in avoid]
        sources.sort(key=lambda source: source.name in late)
        if not sources:
            raise FailedError(f"every source of {self.name} gave wrong bytes", host=self.name)
        self._fail_at_once(DOWNLOAD, None, sources)
        async with AsyncExitStack() as held:
            for turns in (self._downloads, self._turns):
                await held.enter_async_context(turns.take(owner, seconds=self._wait))

            async def ask(client: Client) -> Download:
                opening = client.open_blob(repository, digest, start=start, stop=stop)
                return await held.enter_async_context(opening)

            download, source = await self._try(DOWNLOAD, ask, None, sources)
            yield _Stream(download, source)

    def state(self) -> UpstreamState:
        quotas = [source.quota for source in self._sources if source.quota is not None]
        open_until = {
            source.name: source.breaker.open_until
            for source in self._sources
            if source.breaker.open_until is not None
        }
        return UpstreamState(
            name=self.name,
            healthy=len(open_until) < len(self._sources),
            active=self._turns.active,
            waiting=self._turns.waiting + self._downloads.waiting,
            quota=min(quotas, key=_remaining) if quotas else None,
            failing={source.name: source.failing for source in self._sources if source.failing},
            open_until=open_until,
        )

    async def close(self) -> None:
        for source in self._sources:
            await source.close()

    async def _call(
        self,
        kind: str,
        ask: Callable[[Client], Awaitable[T]],
        deadline: float | None,
        owner: str,
    ) -> tuple[T, str]:
        """The first answer, and the source that gave it."""
        self._fail_at_once(kind, deadline, self._sources)
        loop = asyncio.get_running_loop()
        began = loop.time()
        wait = self._wait if deadline is None else min(deadline, self._wait)
        async with self._turns.take(owner, seconds=wait):
            left = None if deadline is None else max(0.0, deadline - (loop.time() - began))
            return await self._try(kind, ask, left, self._sources)

    def _fail_at_once(self, kind: str, deadline: float | None, sources: "Sources") -> None:
        """Raise where no source would be asked, before a turn is waited for."""
        share = None if deadline is None else deadline / len(sources)
        errors = [source.refusal(kind, share, look=True) for source in sources]
        refused = [error for error in errors if error is not None]
        if len(refused) == len(sources):
            raise _most_telling(refused)

    async def _try(
        self,
        kind: str,
        ask: Callable[[Client], Awaitable[T]],
        deadline: float | None,
        sources: "Sources",
    ) -> tuple[T, str]:
        loop = asyncio.get_running_loop()
        end = None if deadline is None else loop.time() + deadline
        errors: list[RemoteError] = []
        for index, source in enumerate(sources):
            # A source that does not answer leaves the others their share of the time.
            share = None if end is None else max(0.0, end - loop.time()) / (len(sources) - index)
            refused = source.refusal(kind, share)
            if refused is not None:
                errors.append(refused)
                continue
            try:
                return await self._ask(kind, source, ask, share), source.name
            except RemoteError as error:
                errors.append(error)
        raise _most_telling(errors)

    async def _ask(
        self, kind: str, source: Source, ask: Callable[[Client], Awaitable[T]], share: float | None
    ) -> T:
        limit: float | None = None
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            try:
                async with asyncio.timeout(share) as timeout:
                    found = await ask(source.client)
            except TimeoutError:
                if not timeout.expired():
                    raise
                limit = share if share is not None and share < self._wait else None
                raise TimedOutError(
                    f"{source.name} did not answer in {share:.2g} seconds", host=source.name
                ) from None
        except RemoteError as error:
            source.learn(kind, error, took=loop.time() - began, limit=limit)
            raise
        except BaseException:
            source.breaker.settle()
            raise
        source.learn(kind, None, took=loop.time() - began)
        return found


Sources = tuple[Source, ...] | list[Source]


def make_upstream(
    config: UpstreamConfig,
    *,
    clock: Callable[[], float],
    env: Mapping[str, str],
    manifest_bytes: int = 8 * 1024 * 1024,
) -> Upstream:
    """The upstream that the settings describe; nothing is connected yet. `env` is for passwords and
    credential helpers, `clock` gives seconds (`state()` shows its times). Raises UsageError for
    settings that cannot be used."""
    try:
        sources = make_sources(config, clock=clock, env=env, manifest_bytes=manifest_bytes)
    except ValueError as error:
        raise UsageError.of(str(error), code="upstream") from None
    return Chain(config, sources)


def _most_telling(errors: list[RemoteError]) -> RemoteError:
    """NotFoundError only where there is nothing else."""
    failures = [error for error in errors if not isinstance(error, NotFoundError)]
    for kind in _TELLING:
        for error in failures:
            if isinstance(error, kind):
                return error
    return errors[0]


def _remaining(quota: Quota) -> int:
    return quota.remaining
