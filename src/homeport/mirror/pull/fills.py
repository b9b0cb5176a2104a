"""The downloads that are under way in this process: one per digest."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from homeport.mirror.bandwidth.api import Shaper
from homeport.mirror.errors import RegistryError
from homeport.mirror.pull.fill import Fill, staging_key
from homeport.mirror.pull.fill_policy import FillCounts, FillPolicy, Means, Origin
from homeport.mirror.store.api import Blobs, Metadata
from homeport.oci.digest import Digest
from homeport.oci.error_code import ErrorCode

_T = TypeVar("_T")


class Fills:
    """One per process. `counts` is for metrics, `keys` for the sweep of staged content."""

    def __init__(
        self,
        *,
        blobs: Blobs,
        metadata: Metadata,
        shaper: Shaper,
        clock: Callable[[], float],
        owner: str,
        policy: FillPolicy | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`owner` names this process among replicas; the same after a restart."""
        self.policy = policy or FillPolicy()
        self.counts = FillCounts()
        self.means = Means(
            blobs=blobs,
            metadata=metadata,
            shaper=shaper,
            clock=clock,
            sleep=sleep,
            owner=owner,
            policy=self.policy,
            counts=self.counts,
        )
        self._running: dict[Digest, Fill] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False

    @property
    def keys(self) -> frozenset[str]:
        """Staged content that is being written."""
        return frozenset(staging_key(digest) for digest in self._running)

    def running(self, digest: Digest) -> Fill | None:
        return self._running.get(digest)

    def join(
        self, digest: Digest, origin: Origin, *, hint: int | None, address: str
    ) -> tuple[Fill, bool]:
        """The running fill (True) or a new one, with a seat taken in it: `leave` gives it back.

        The caller has proven that the origin shows the blob. `hint` is the size that a manifest
        says; the upstream's own word is preferred. `address` is the client's, for a fair share of
        bandwidth among those that begin fills.
        """
        fill = self._running.get(digest)
        if fill is not None:
            fill.add_origin(origin)
            fill.seats += 1
            self.counts.joined += 1
            return fill, True
        if len(self._running) >= self.policy.fills:
            raise RegistryError(
                ErrorCode.TOOMANYREQUESTS,
                "too many blobs are being fetched",
                headers={"Retry-After": "5"},
            )
        fill = Fill(
            digest,
            origin,
            hint=hint,
            address=address,
            means=self.means,
            recent_limit=self._recent_limit,
        )
        task = self.spawn(self._run(fill))
        self._running[digest] = fill
        # A task that is cancelled before its first step never reaches its own `finally`.
        task.add_done_callback(lambda _: self._forget(fill))
        fill.seats += 1
        return fill, False

    def spawn(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """A task that no client's life ends, but `close` does."""
        if self._closing:
            work.close()
            raise RegistryError(ErrorCode.UNAVAILABLE, "the mirror is stopping", status=503)
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Stop everything; what came is kept for the next start."""
        self._closing = True
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def _run(self, fill: Fill) -> None:
        try:
            await fill.run()
        finally:
            self._forget(fill)
            await fill.retire()

    def _forget(self, fill: Fill) -> None:
        if self._running.get(fill.digest) is fill:
            del self._running[fill.digest]
        fill.stop()

    def _recent_limit(self) -> int:
        """The memory for recent pieces is shared among the fills."""
        return min(self.policy.recent, self.policy.recent_all // max(1, len(self._running)))
