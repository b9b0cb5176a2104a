"""Who may have a blob: a repository that links it, or that its own upstream shows it in.

The store knows digests, not who may see them. Whoever guesses the digest of another repository's
blob must not get it, nor learn that it is here.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from msgspec import Struct

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.names import Repository
from homeport.mirror.pull.fill_policy import Origin
from homeport.mirror.pull.join_links import Links
from homeport.mirror.pull.negative import Negatives
from homeport.mirror.store.api import Metadata
from homeport.oci.digest import Digest
from homeport.oci.error_code import ErrorCode
from homeport.remote.errors import NotFoundError, RemoteError

Spawn = Callable[[Coroutine[Any, Any, int | None]], asyncio.Task[int | None]]


class RememberedError(NotFoundError):
    """The upstream said so a short time ago, and was not asked again."""


class Link(Struct, frozen=True):
    """`size` as the link says, 0 where it does not know. `local`: pushed here, there is no upstream
    to fetch it from."""

    size: int
    local: bool


class Proofs:
    """Links, and the questions to upstreams that replace them: one at a time for each blob."""

    def __init__(
        self,
        metadata: Metadata,
        *,
        spawn: Spawn,
        limit: int,
        unknown_for: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._links = Links(metadata, limit=limit)
        self._spawn = spawn
        self._unknown = Negatives()
        self._unknown_for = unknown_for
        self._monotonic = monotonic
        self._asking: dict[tuple[Repository, Digest], asyncio.Task[int | None]] = {}

    async def linked(self, repository: Repository, digest: Digest) -> Link | None:
        """How the repository itself, or the local overlay of it, links the blob."""
        size = await self._links.size(repository, digest)
        if size is not None:
            return Link(size, repository.is_local)
        if not repository.is_local:
            size = await self._links.size(repository.overlay, digest)
            if size is not None:
                return Link(size, local=True)
        return None

    async def prove(self, origin: Origin, digest: Digest, *, owner: str) -> int | None:
        """Ask the repository's own upstream: the size, None where it does not say. Raises
        NotFoundError where it has no such blob, RemoteError where it cannot be asked."""
        key = (origin.repository, digest)
        unknown = self._unknown.of(*key, self._monotonic())
        if unknown is not None:
            raise RememberedError(
                str(unknown), host=unknown.host, status=unknown.status, detail=unknown.detail
            )
        task = self._asking.get(key)
        if task is None:
            task = self._spawn(_ask(origin, digest, owner))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._answered(key, task))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            raise RegistryError(
                ErrorCode.UNAVAILABLE, "the mirror is stopping", status=503
            ) from None

    def _answered(self, key: tuple[Repository, Digest], task: asyncio.Task[int | None]) -> None:
        self._asking.pop(key, None)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, NotFoundError):
            self._unknown.note(*key, error, until=self._monotonic() + self._unknown_for)


async def _ask(origin: Origin, digest: Digest, owner: str) -> int | None:
    """HEAD, and where that finds nothing, or no size, one byte by GET: a pull-through mirror may
    answer 404 to a HEAD for what it would fetch on a GET (distribution issue 4747)."""
    name, upstream = origin.repository.name, origin.upstream
    try:
        size = await upstream.head_blob(name, digest, owner=owner)
    except NotFoundError:
        return await _ask_by_range(origin, digest, owner)
    if size is None:
        with suppress(RemoteError):
            return await _ask_by_range(origin, digest, owner)
    return size


async def _ask_by_range(origin: Origin, digest: Digest, owner: str) -> int | None:
    try:
        async with origin.upstream.open_blob(
            origin.repository.name, digest, start=0, stop=1, owner=owner
        ) as stream:
            return stream.size
    except RemoteError as error:
        if error.status == 416:
            return 0  # no first byte: it is empty
        raise
