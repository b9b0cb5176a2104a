"""Re-hash all that is kept, and set right what is not as it says it is."""

from collections.abc import AsyncIterator, Callable

from msgspec import Struct
from msgspec.structs import replace

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import Blobs, Metadata
from homeport.oci.digest import Digest, algorithm_of, digest_of, hex_of, start_hash

BATCH = 64
CHUNK = 1024**2


class Fault(Struct, frozen=True, kw_only=True):
    """`what` is "blob" or "manifest"; `problem` is "missing", "wrong size" or "wrong bytes".

    `repaired` is False where it was not asked for, and where somebody was just writing it. `homes`
    are the repositories that lost it by the repair.
    """

    what: str
    digest: Digest
    problem: str
    repaired: bool = False
    homes: tuple[Repository, ...] = ()

    @property
    def lost(self) -> tuple[Repository, ...]:
        """Local repositories among them: nobody can fetch it again, it must be pushed."""
        return tuple(home for home in self.homes if home.is_local)


class VerifyReport(Struct, frozen=True, kw_only=True):
    """How many blobs and manifests were read, `size` bytes of blobs in all."""

    blobs: int
    manifests: int
    size: int
    faults: tuple[Fault, ...]


async def verify(
    blobs: Blobs,
    metadata: Metadata,
    *,
    clock: Callable[[], float],
    repair: bool = False,
    progress: Callable[[Digest], None] | None = None,
) -> VerifyReport:
    """Read everything once; may run while the mirror serves. With `repair`, wrong bytes go into
    quarantine and their links are dropped, so that they are fetched (or pushed) again."""
    check = _Check(blobs, metadata, clock, repair)
    async for digest, size in _expected(blobs, metadata):
        if progress is not None:
            progress(digest)
        await check.blob(digest, size)
    after = ""
    while held := await metadata.held_manifests(after=after, limit=BATCH):
        for manifest in held:
            await check.manifest(manifest.digest, manifest.content)
        after = held[-1].digest
    return VerifyReport(
        blobs=check.blobs, manifests=check.manifests, size=check.size, faults=tuple(check.faults)
    )


async def _expected(blobs: Blobs, metadata: Metadata) -> AsyncIterator[tuple[Digest, int | None]]:
    """All that has a row, then the bytes that have none (whose size nobody knows)."""
    after = ""
    while rows := await metadata.held_blobs(after=after, limit=BATCH):
        for row in rows:
            yield row
        after = rows[-1][0]
    async for info in blobs.walk():
        if await metadata.unknown([info.digest]):
            yield info.digest, None


class _Check:
    def __init__(
        self, blobs: Blobs, metadata: Metadata, clock: Callable[[], float], repair: bool
    ) -> None:
        self._blobs = blobs
        self._metadata = metadata
        self._clock = clock
        self._repair = repair
        self.faults: list[Fault] = []
        self.blobs = self.manifests = self.size = 0

    async def blob(self, digest: Digest, size: int | None) -> None:
        problem = await self._problem(digest, size)
        self.blobs += 1
        if problem == "missing" and (size is None or await self._metadata.unknown([digest])):
            return  # the sweep was here meanwhile
        if problem is None:
            return
        fault = Fault(what="blob", digest=digest, problem=problem)
        if self._repair and await self._metadata.condemn(digest, now=self._clock()):
            try:
                # Again, now that nobody can be replacing it: the first look may have met an upload.
                if await self._problem(digest, size) is None:
                    return
                homes = await self._metadata.lose_blob(digest)
                await self._blobs.quarantine(digest, problem)
                fault = replace(fault, repaired=True, homes=tuple(homes))
            finally:
                await self._metadata.buried(digest)
        self.faults.append(fault)

    async def manifest(self, digest: Digest, content: bytes) -> None:
        self.manifests += 1
        if digest_of(content, algorithm_of(digest)) == digest:
            return
        fault = Fault(what="manifest", digest=digest, problem="wrong bytes")
        if self._repair:
            homes = await self._metadata.lose_manifest(digest)
            fault = replace(fault, repaired=True, homes=tuple(homes))
        self.faults.append(fault)

    async def _problem(self, digest: Digest, size: int | None) -> str | None:
        blob = await self._blobs.open(digest)
        if blob is None:
            return "missing"
        try:
            running = start_hash(algorithm_of(digest))
            read = 0
            while part := await blob.read(read, CHUNK):
                running.update(part)
                read += len(part)
        finally:
            blob.close()
        self.size += read
        if running.hexdigest() != hex_of(digest):
            return "wrong bytes"
        return None if size in (None, read) else "wrong size"
