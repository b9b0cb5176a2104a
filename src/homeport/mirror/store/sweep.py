"""Online garbage collection, and eviction of what was used least recently.

The sweep lists candidates at leisure; `Metadata.forget` looks again under the commit lock. Rows go
before bytes: a crash between the two leaves bytes without a row, which the next sweep finds.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from homeport.lib.glob import any_glob
from homeport.mirror.model.config import StoreConfig
from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import HOLD_FOR, Blobs, Hold, Metadata, StagedInfo, StoreError
from homeport.oci.digest import Digest

LEASE = "sweep"
BATCH = 256
EVICTED_AT_ONCE = 16
STAGED_AGE = 86_400.0
"""After so long without a byte, staged content is dropped, with its upload."""

ORPHAN_AGE = 3600.0
"""Seconds before bytes without a row are looked at; a hold protects them, too."""

HIGH, LOW = 0.95, 0.9
"""Parts of the quota: over the one, eviction goes on down to the other."""

_UPLOAD = "upload-"


class SweepReport(Struct, frozen=True, kw_only=True):
    """What went: links of blobs to repositories, digests (manifests and blobs), bytes of blobs,
    staged content and its bytes."""

    links: int = 0
    digests: int = 0
    freed: int = 0
    staged: int = 0
    staged_bytes: int = 0


class Sweep:
    """`clock` gives seconds since 1970; `sleep` waits between rounds of `run`. `staged_age` is in
    seconds without a byte: no less than an upload may rest (`LimitsConfig.upload_age`)."""

    def __init__(
        self,
        blobs: Blobs,
        metadata: Metadata,
        config: StoreConfig,
        clock: Callable[[], float],
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        failed: Callable[[Exception], None] | None = None,
        staged_age: float = STAGED_AGE,
    ) -> None:
        self._blobs = blobs
        self._metadata = metadata
        self._config = config
        self._clock = clock
        self._sleep = sleep
        self._failed = failed
        self._staged_age = staged_age
        self._owner = secrets.token_hex(8)
        self._evicting = asyncio.Lock()
        self.last: SweepReport | None = None

    async def run(self) -> None:
        """Collect, and keep below the quota, every `sweep_interval` until cancelled. One replica
        at a time does it. A failure of the store is handed to `failed`; the next round tries
        again."""
        while True:
            await self._sleep(self._config.sweep_interval)
            try:
                await self.round()
            except StoreError as error:
                if self._failed is not None:
                    self._failed(error)

    async def round(self) -> SweepReport | None:
        """One round of `run`; None where another replica is at it."""
        now = self._clock()
        until = now + max(600.0, 2 * self._config.sweep_interval)
        if not await self._metadata.take_lease(LEASE, self._owner, now=now, until=until):
            return None
        try:
            self.last = await self.collect()
            excess = await self._excess()
            if excess > 0:
                await self.evict(excess)
        finally:
            await self._metadata.release_lease(LEASE, self._owner)
        return self.last

    async def reconcile(self) -> Sequence[Digest]:
        """Lose the rows whose bytes a power cut took (a cache's renames are not synced). To be
        called before anything is served; what was lost."""
        lost: list[Digest] = []
        after = ""
        while rows := await self._metadata.held_blobs(after=after, limit=BATCH):
            for digest, _ in rows:
                if await self._blobs.stat(digest) is None:
                    await self._metadata.lose_blob(digest)
                    lost.append(digest)
            after = rows[-1][0]
        return lost

    async def collect(self) -> SweepReport:
        """Everything that nothing reaches and nothing holds."""
        links = await self._expire()
        digests, freed = await self._garbage()
        orphans, orphaned = await self._orphans(self._bury)
        staged, staged_bytes = await self._staged()
        return SweepReport(
            links=links,
            digests=digests + orphans,
            freed=freed + orphaned,
            staged=staged,
            staged_bytes=staged_bytes,
        )

    async def survey(self) -> SweepReport:
        """What `collect` would report now; nothing is changed."""
        now = self._clock()
        links, digests = await self._metadata.collectable(before=_links_before(now), now=now)
        sizes = [await self._blobs.stat(digest) or 0 for digest in digests]
        orphans, orphaned = await self._orphans(self._blobs.stat)
        staged = [info for info in await self._blobs.staged() if self._is_left(info)]
        return SweepReport(
            links=links,
            digests=len(digests) + orphans,
            freed=sum(sizes) + orphaned,
            staged=len(staged),
            staged_bytes=sum(info.size for info in staged),
        )

    async def evict(self, needed: int) -> int:
        """Unlink mirrored images, least recently used first, until their blobs gave `needed` bytes.
        Bytes freed: fewer where all that is left is held, pinned or local."""
        async with self._evicting:
            freed = (await self._garbage())[1]
            while freed < needed:
                chosen = await self._metadata.coldest(
                    now=self._clock(), limit=EVICTED_AT_ONCE, pinned=pins(self._config.pins)
                )
                if not chosen:
                    break
                for home, digest in chosen:
                    freed += await self._evict(home, digest)
                    if freed >= needed:
                        break
            return freed

    async def _evict(self, home: Repository, digest: Digest) -> int:
        """One image: its link, its blobs' links here, then what nothing else reaches."""
        manifest = await self._metadata.manifest(home, digest)
        blobs = () if manifest is None else tuple(each.digest for each in manifest.blobs)
        async with self._metadata.batch():
            await self._metadata.delete_manifest(home, digest)
            for blob in blobs:
                await self._metadata.unlink_blob(home, blob)
        freed = 0
        for each in dict.fromkeys((digest, *blobs)):
            freed += await self._bury(each) or 0
        return freed

    async def _bury(self, digest: Digest) -> int | None:
        """Bytes freed; None where it is needed after all."""
        if not await self._metadata.forget(digest, now=self._clock()):
            return None
        try:
            return await self._blobs.delete(digest)
        finally:
            await self._metadata.buried(digest)

    async def _expire(self) -> int:
        now = self._clock()
        before = _links_before(now)
        total = 0
        while count := await self._metadata.expire_links(before=before, now=now, limit=BATCH):
            total += count
        return total

    async def _garbage(self) -> tuple[int, int]:
        count = freed = 0
        while found := await self._metadata.garbage(now=self._clock(), limit=BATCH):
            buried = [await self._bury(digest) for digest, _ in found]
            gone = [each for each in buried if each is not None]
            count += len(gone)
            freed += sum(gone)
            if len(gone) < len(found):
                break  # somebody wants them again: the next round will see
        return count, freed

    async def _orphans(self, take: Callable[[Digest], Awaitable[int | None]]) -> tuple[int, int]:
        """Bytes whose row is gone: a crash came between. `take` says how many, None to leave it."""
        count = freed = 0
        old: list[Digest] = []

        async def check() -> None:
            nonlocal count, freed
            for digest in await self._metadata.unknown(old):
                gone = await take(digest)
                count += gone is not None
                freed += gone or 0
            old.clear()

        async for info in self._blobs.walk():
            if info.modified < self._clock() - ORPHAN_AGE:
                old.append(info.digest)
                if len(old) == BATCH:
                    await check()
        if old:
            await check()
        return count, freed

    async def _staged(self) -> tuple[int, int]:
        count = freed = 0
        for info in await self._blobs.staged():
            if not self._is_left(info):
                continue
            try:
                staged = await self._blobs.stage(info.key, fresh=True)
            except (StoreError, ValueError):  # being written after all, or not ours
                continue
            await staged.drop()
            await staged.close()
            if info.key.startswith(_UPLOAD):
                await self._metadata.delete_upload(info.key.removeprefix(_UPLOAD))
            count += 1
            freed += info.size
        return count, freed

    def _is_left(self, info: StagedInfo) -> bool:
        return info.modified < self._clock() - self._staged_age

    async def _excess(self) -> int:
        usage = await self._blobs.usage()
        quota = self._config.quota
        excess = self._config.reserve // 4 if usage.free == 0 else 0
        if quota is not None and usage.blobs + usage.staged > HIGH * quota:
            excess = max(excess, int(usage.blobs + usage.staged - LOW * quota))
        return excess


def _links_before(now: float) -> float:
    return now - HOLD_FOR[Hold.UPLOAD]


def pins(globs: Sequence[str]) -> Callable[[Repository, str], bool]:
    """Whether `upstream/name:tag` (or `upstream/name@digest`) matches one of the globs."""
    if not globs:
        return lambda _, __: False
    matches = any_glob(globs)

    def pinned(repository: Repository, name: str) -> bool:
        return matches(f"{repository}{'@' if ':' in name else ':'}{name}")

    return pinned
