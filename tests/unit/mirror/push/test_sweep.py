"""Pushes while the garbage collector runs in a loop: nothing that was acknowledged is lost."""

import asyncio
import json
from typing import Any

from homeport.oci.digest import Digest, digest_of

SHARED = [bytes([number]) * 100 for number in range(6)]
DAY = 100_000.0
"""Longer than an upload is held."""


async def sweep(registry: Any) -> int:
    """One round of what collects garbage, as impatient as it can be; bytes freed."""
    metadata, now, freed = registry.metadata, registry.now, 0
    await metadata.expire_links(before=now + 1, now=now, limit=100)
    for digest, _ in await metadata.garbage(now=now, limit=100):
        await asyncio.sleep(0)
        if await metadata.forget(digest, now=now):
            await asyncio.sleep(0)
            freed += await registry.blobs.delete(digest)
            await asyncio.sleep(0)
            await metadata.buried(digest)
    return freed


async def push(registry: Any, name: str, layers: list[bytes]) -> Digest:
    """As a client does: mount, else upload, then the manifest; all of it must be there then."""
    contents = [json.dumps({"name": name}).encode(), *layers]
    for content in contents:
        digest = digest_of(content)
        if (await registry.start(mount=digest)).status == 202:
            await asyncio.sleep(0)
            await registry.push(content)
        await asyncio.sleep(0)
    parts = [
        {"mediaType": "a/b", "digest": digest_of(content), "size": len(content)}
        for content in contents
    ]
    reply = await registry.put({"schemaVersion": 2, "config": parts[0], "layers": parts[1:]}, name)
    for content in contents:
        assert registry.blobs.content.get(digest_of(content)) == content
    return Digest(reply.outcome.digest)


def test_nothing_pushed_is_lost_to_a_sweep(registry: Any) -> None:
    async def client(number: int, turn: int) -> Digest:
        for _ in range(number):
            await asyncio.sleep(0)
        layers = [SHARED[(number + turn + step) % len(SHARED)] for step in range(3)]
        return await push(registry, f"n{number}-{turn}", layers)

    async def scenario() -> None:
        freed, running = 0, True

        async def collect() -> None:
            nonlocal freed
            while running:
                freed += await sweep(registry)
                await asyncio.sleep(0)

        collector = asyncio.ensure_future(collect())
        kept: list[Digest] = []
        for turn in range(30):
            pushed = await asyncio.gather(*(client(number, turn) for number in range(10)))
            for digest in pushed[1:] if turn % 5 == 0 else pushed:
                await registry.delete(digest)
            kept += pushed[:1] if turn % 5 == 0 else []
            if turn % 5 == 4:
                for digest in kept:
                    await registry.delete(digest)
                kept = []
            # What the next turn pushes again is garbage just then.
            registry.now += DAY
        running = False
        await collector
        while more := await sweep(registry):
            freed += more
        assert freed > 10 * len(SHARED)
        assert kept == []
        assert registry.blobs.content == {}

    asyncio.run(scenario())
