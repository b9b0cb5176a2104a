"""The real stores under load, while the sweep never rests: nothing that is needed is lost."""

import asyncio
from pathlib import Path

from homeport.mirror.model.config import StoreConfig
from homeport.mirror.store.api import Blobs, Metadata
from homeport.mirror.store.sweep import Sweep
from testbed.load import DAY, TURNS, Clock, Worker, images, stores


def test_collecting_and_evicting_under_load_loses_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = Clock()
        async with stores(tmp_path, clock) as (blobs, metadata):
            swept = await beside_a_sweep(blobs, metadata, clock)
            # Those of the mirrored repository are evicted once nothing holds them; until then, and
            # in local repositories for ever, every image that was not deleted is whole.
            assert await images(blobs, metadata) == 20 * TURNS // 3
            assert swept > 100
            rows = await metadata.held_blobs(after="", limit=9999)
            assert {digest for digest, _ in rows} == {each.digest async for each in blobs.walk()}

    asyncio.run(scenario())


async def beside_a_sweep(blobs: Blobs, metadata: Metadata, clock: Clock) -> int:
    """20 workers and a sweep; how much it swept (digests and bytes)."""
    sweep = Sweep(blobs, metadata, StoreConfig(), clock)
    working = True
    swept = 0

    async def sweeping() -> None:
        nonlocal swept
        while working:
            swept += (await sweep.collect()).digests
            swept += await sweep.evict(50)
            clock.now += 2 * DAY

    task = asyncio.create_task(sweeping())
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(Worker(blobs, metadata, clock, number).work())
    working = False
    await task
    return swept
