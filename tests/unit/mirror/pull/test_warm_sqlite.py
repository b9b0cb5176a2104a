"""Memory over a store that writes and reads in threads: no answer is older than what was
acknowledged before it was asked for."""

import asyncio
import time
from pathlib import Path

import pytest

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import UpstreamConfig
from homeport.mirror.pull.manifests import Manifests
from homeport.mirror.store.sqlite.metadata import open_metadata
from testbed.reading import HOST, TEAM, Reading, image, parsed

TAGS = ("a", "b")
SECONDS = 0.6


class History:
    """Versions of one tag: even ones are pushes, odd ones deletions."""

    def __init__(self) -> None:
        self.begun = 0
        self.acknowledged = 0


async def write(world: Reading, tag: str, history: History, until: float) -> None:
    while time.monotonic() < until:
        history.begun += 1
        if history.begun % 2:
            await world.metadata.delete_tag(TEAM, tag)
        else:
            content = parsed(image(f"{tag}{history.begun}", version=history.begun))
            await world.metadata.put_manifest(TEAM, content, tags=(tag,), at=1.0, durable=False)
        history.acknowledged = history.begun
        await asyncio.sleep(0.001)


async def answer(world: Reading, tag: str) -> object:
    """The manifest's bytes, None for a 404."""
    try:
        return (await world.get(tag, repository=TEAM)).body
    except RegistryError as error:
        if error.status != 404:
            raise
        return None


async def read(world: Reading, tag: str, history: History, until: float) -> int:
    warm = 0
    while time.monotonic() < until:
        low = history.acknowledged
        held = world.held(tag, TEAM)
        warm += held is not None
        body = await answer(world, tag) if held is None else held.body
        if body is None:
            assert [version for version in range(low, history.begun + 1) if version % 2]
        else:
            assert isinstance(body, bytes)
            version = int(body.partition(b'"version": ')[2].partition(b",")[0])
            assert low <= version <= history.begun
        await asyncio.sleep(0)
    return warm


@pytest.mark.parametrize("memory", [1024**2, 6000])
def test_no_answer_is_older_than_what_was_acknowledged(tmp_path: Path, memory: int) -> None:
    async def scenario() -> None:
        world = Reading(UpstreamConfig(name=HOST, urls=()), memory)
        metadata = await open_metadata(tmp_path / "metadata.db", clock=time.time)
        world.metadata = metadata  # type: ignore[assignment]
        world.manifests = Manifests(
            metadata=metadata,
            upstream_of=lambda _: world.upstream,
            config_of=lambda _: world.config,
            clock=time.time,
            monotonic=time.monotonic,
            memory=memory,
            flush_interval=0.05,
        )
        until = time.monotonic() + SECONDS
        warm: list[asyncio.Task[int]] = []
        try:
            async with asyncio.TaskGroup() as group:
                for tag in TAGS:
                    history = History()
                    await metadata.put_manifest(
                        TEAM,
                        parsed(image(f"{tag}0", version=0)),
                        tags=(tag,),
                        at=1.0,
                        durable=False,
                    )
                    group.create_task(write(world, tag, history, until))
                    warm += [group.create_task(read(world, tag, history, until)) for _ in range(4)]
        finally:
            await world.manifests.close()
            await metadata.close()
        assert sum(task.result() for task in warm) > 0

    asyncio.run(scenario())
