"""What was served: eviction must know of it soon, and the sweep must not come before it.

The first time that a manifest is served, its hold is in the store before the answer; while it goes
on being served, holds are extended and uses written in batches. A crash loses some seconds of uses
and no hold.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable

from homeport.mirror.pull.warm import Page
from homeport.mirror.store.api import Hold, Metadata, StoreError
from homeport.oci.digest import Digest

PROMISE = 3600.0
"""Seconds for which a served manifest keeps its blobs: a client must be able to fetch them all."""

EXTENDED_EARLY = 300.0
HOLD = PROMISE + 2 * EXTENDED_EARLY
MAX_NOTED = 50_000
MAX_HOLDS = 50_000
EAGER = 4096

_log = logging.getLogger(__name__)


class Uses:
    """Times given by `monotonic` decide, times by `clock` are what the store is told."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        eager: Callable[[], None],
    ) -> None:
        self._metadata = metadata
        self._clock = clock
        self._monotonic = monotonic
        self._eager = eager
        self._noted: list[Page] = []
        self._holds: OrderedDict[Digest, float] = OrderedDict()

    def note(self, page: Page) -> None:
        """It is being served. Costs next to nothing."""
        if page.used or len(self._noted) >= MAX_NOTED:
            return
        page.used = True
        self._noted.append(page)
        if len(self._noted) == EAGER:
            self._eager()

    def is_promised(self, page: Page, now: float) -> bool:
        return page.hold_until - now >= PROMISE

    async def hold(self, digest: Digest) -> float:
        """Returns when the store keeps this manifest and what it references for the promised time:
        until when, in monotonic seconds."""
        now = self._monotonic()
        known = self._holds.get(digest)
        if known is None or known - now < PROMISE:
            await self._extend([digest], now)
            return now + HOLD
        return known

    async def _extend(self, digests: list[Digest], now: float) -> None:
        await self._metadata.hold(digests, Hold.SERVED, until=self._clock() + HOLD)
        for digest in digests:
            self._holds[digest] = now + HOLD
            self._holds.move_to_end(digest)
        while len(self._holds) > MAX_HOLDS:
            self._holds.popitem(last=False)

    async def flush(self) -> None:
        """Write what was noted. A store that fails is logged: answers must not depend on it."""
        pages, self._noted = self._noted, []
        if not pages:
            return
        for page in pages:
            page.used = False
        try:
            uses = tuple(dict.fromkeys((page.repository, page.digest) for page in pages))
            await self._metadata.used(uses, at=self._clock())
            now = self._monotonic()
            due = [page for page in pages if page.hold_until - now < PROMISE + EXTENDED_EARLY]
            if due:
                await self._extend(list(dict.fromkeys(page.digest for page in due)), now)
            for page in due:
                page.hold_until = now + HOLD
        except StoreError:
            _log.exception("cannot note which manifests were served")
