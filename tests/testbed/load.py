"""Work for the real stores: tasks that push, pull and delete, and a look at what is left."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import Blobs, Hold, Metadata
from homeport.mirror.store.files import open_blobs
from homeport.mirror.store.sqlite.metadata import open_metadata
from homeport.oci.digest import Digest, digest_of
from homeport.oci.manifest import Manifest
from testbed.stores import NGINX, content_of, image, put_blob

DAY = 86_400.0
TURNS = 12


class Clock:
    """Time races while the sweep works, so that links grow old. A hold is shared by all who have
    it: `holders` tells who is the last."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.holders: Counter[Digest] = Counter()

    def __call__(self) -> float:
        return self.now


class Worker:
    """Pushes, pulls and deletes images that share few layers: one is often just being deleted when
    another wants to keep it."""

    def __init__(self, blobs: Blobs, metadata: Metadata, clock: Clock, number: int) -> None:
        self.blobs = blobs
        self.metadata = metadata
        self.clock = clock
        self.number = number
        self.home = Repository("local", f"team/{number}") if number % 2 else NGINX
        self.chance = random.Random(number)  # noqa: S311 - a test

    async def work(self) -> None:
        for turn in range(TURNS):
            names = [f"layer-{self.chance.randrange(12)}" for _ in range(3)]
            manifest = image(f"{self.number}-{turn}", *names)
            layers = [f"config-{self.number}-{turn}".encode(), *(name.encode() for name in names)]
            await self.push(manifest, layers)
            for layer in layers:
                assert await content_of(self.blobs, digest_of(layer)) == layer
            if turn % 3:
                await self.delete(manifest, layers)

    async def push(self, manifest: Manifest, layers: Sequence[bytes]) -> None:
        """Hold, look or commit, link: the order that the Protocol asks for."""
        until = self.clock() + 1000 * DAY
        for layer in layers:
            digest = digest_of(layer)
            self.clock.holders[digest] += 1
            await self.metadata.hold([digest], Hold.UPLOAD, until=until)
            if await self.blobs.stat(digest) is None:
                await put_blob(self.blobs, layer, f"upload-{self.number}")
            await self.metadata.link_blob(
                self.home, digest, len(layer), at=self.clock(), durable=self.home.is_local
            )
        await self.metadata.hold([manifest.digest], Hold.SERVED, until=until)
        if self.home.is_local:  # in a mirrored one, eviction may take links that nothing needs yet
            digests = [digest_of(layer) for layer in layers]
            assert await self.metadata.missing(self.home, digests) == []
        await self.metadata.put_manifest(self.home, manifest, at=self.clock(), durable=False)

    async def delete(self, manifest: Manifest, layers: Sequence[bytes]) -> None:
        await self.metadata.unhold([manifest.digest], Hold.SERVED)
        await self.metadata.delete_manifest(self.home, manifest.digest)
        for layer in layers:
            if self.home.is_local:
                await self.metadata.unlink_blob(self.home, digest_of(layer))
                # Shared with another image of this repository: its manifest keeps the bytes.
            self.clock.holders[digest_of(layer)] -= 1
            if not self.clock.holders[digest_of(layer)]:
                await self.metadata.unhold([digest_of(layer)], Hold.UPLOAD)


@asynccontextmanager
async def stores(folder: Path, clock: Clock) -> AsyncIterator[tuple[Blobs, Metadata]]:
    blobs = await open_blobs(folder, quota=None, reserve=0, clock=clock)
    metadata = await open_metadata(folder / "metadata.db", clock=clock)
    try:
        yield blobs, metadata
    finally:
        await metadata.close()
        await blobs.close()


async def images(blobs: Blobs, metadata: Metadata) -> int:
    """How many are whole; fails for one that is not."""
    count = 0
    for home in await metadata.repositories(after=None, limit=99):
        for digest in await metadata.linked(home, after="", limit=999):
            manifest = await metadata.manifest(home, digest)
            assert manifest is not None
            for each in manifest.blobs:
                content = await content_of(blobs, each.digest)
                assert content is not None
                assert digest_of(content) == each.digest
            count += 1
    return count
