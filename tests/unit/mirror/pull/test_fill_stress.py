"""Whatever happens and in whatever order: an answer that completes has the right bytes."""

import asyncio
import random
import warnings

import pytest

from homeport.mirror.errors import CutError, NoSpaceError, RegistryError
from homeport.mirror.pull.fill_policy import FillPolicy
from homeport.mirror.pull.ranges import parse_range
from homeport.mirror.store.memory.blobs import MemoryBlobs
from homeport.remote import errors as remote
from testbed.reader import KIB, Bench, Client, bench, blob
from testbed.scripted_upstream import Scene

POLICY = FillPolicy(
    withheld=2 * KIB,
    ahead=8 * KIB,
    throughs=3,
    through_wait=2.0,
    piece=3 * KIB,
    batch=2 * KIB,
    recent=6 * KIB,
    progress=KIB,
    slice=8 * KIB,
)
SOURCES = ("one.example", "two.example", "three.example")


class Moody(MemoryBlobs):
    """A store whose calls take their time, and whose disk is full now and then."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.trouble = chance.choice([0.0, 0.0, 0.01, 0.1])

    def take(self, key: str, size: int) -> None:
        if self.chance.random() < self.trouble:
            raise NoSpaceError("disk full")
        super().take(key, size)

    async def open(self, digest):  # type: ignore[no-untyped-def]
        await pause(self.chance)
        return await super().open(digest)

    async def stage(self, key, **more):  # type: ignore[no-untyped-def]
        await pause(self.chance)
        staged = await super().stage(key, **more)
        append, read = staged.append, staged.read

        async def slow_append(data: bytes) -> None:
            await pause(self.chance)
            await append(data)

        async def slow_read(offset: int, length: int) -> bytes:
            found = await read(offset, length)
            await pause(self.chance)
            return found

        staged.append, staged.read = slow_append, slow_read  # type: ignore[method-assign]
        return staged


async def pause(chance: random.Random) -> None:
    for _ in range(chance.choice([0, 0, 0, 1, 2, 7])):
        await asyncio.sleep(0)


def scene(chance: random.Random, content: bytes) -> Scene:
    size = len(content)
    kind = chance.choice(["right", "right", "cut", "end", "wrong", "error", "no-range", "no-size"])
    made = Scene(source=chance.choice(SOURCES), chunk=chance.choice([100, 1000, 5000]))
    match kind:
        case "cut":
            made.cut = chance.randrange(size + 1)
        case "end":
            made.end = chance.randrange(size + 1)
        case "wrong":
            at = chance.randrange(size)
            made.content = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        case "error":
            made.error = chance.choice(
                [
                    remote.FailedError("oops", status=500),
                    remote.TimedOutError("silence"),
                    remote.BusyError("busy", retry_after=1),
                    remote.UnreachableError("refused"),
                ]
            )
        case "no-range":
            made.ranges = False
        case "no-size":
            made.says_size = chance.choice([False, False, size - 1, size + 1])
        case _:
            pass
    return made


def a_range(chance: random.Random, size: int) -> str | None:
    start = chance.randrange(size)
    return chance.choice(
        [
            None,
            None,
            f"bytes={start}-",
            f"bytes=-{chance.randrange(1, size)}",
            f"bytes={start}-{chance.randrange(start, size + 100)}",
        ]
    )


async def client(b: Bench, chance: random.Random, digest: str, content: bytes) -> str:
    """What became of one client; fails where a completed answer is wrong."""
    await pause(chance)
    asked = a_range(chance, len(content))
    try:
        found: Client = await b.get(digest, asked, address=f"10.0.0.{chance.randrange(4)}")
    except RegistryError:
        return "refused"
    span = parse_range(asked, len(content)) if found.status == 206 else None
    right = content if span is None else content[span.start : span.stop]
    patience = chance.choice([1 << 60, 1 << 60, 1 << 60, chance.randrange(len(content))])
    try:
        while not found.done and len(found.got) < min(patience, len(right)):
            await found.take(len(found.got) + chance.choice([1, 1000, 10_000]))
            await pause(chance)
        if patience < len(right):
            await found.leave()
            assert right.startswith(found.got) or span is not None or len(found.got) < len(right)
            return "left"
        got = await found.rest()
    except CutError:
        await found.leave()
        return "cut"
    includes_end = span is None or span.stop == len(content)
    if includes_end:
        assert got == right
    else:
        assert len(got) == len(right)  # completed early: allowed to be unverified
    return "right"


async def run(seed: int) -> list[str]:
    chance = random.Random(seed)  # noqa: S311 - the same run each time
    content, digest = blob(chance.choice([10, 2 * KIB, 30 * KIB, 60 * KIB]), seed)
    async with bench(policy=POLICY, blobs=Moody(chance)) as b:
        size = chance.choice([len(content)] * 4 + [0, len(content) + 1, 5])
        await b.show(content, size=size)
        b.upstream.scenes = [scene(chance, content) for _ in range(chance.randrange(12))]
        b.upstream.default = Scene(source=chance.choice(SOURCES), chunk=700)
        fates = await asyncio.wait_for(
            asyncio.gather(*(client(b, chance, digest, content) for _ in range(12))), 10
        )
        if chance.random() < 0.5:
            while b.fills.running(digest):
                await asyncio.sleep(0)
        else:
            await b.fills.close()
        stored = b.blobs.content.get(digest)
        assert stored in (None, content)
        assert len(b.upstream.gets()) < 120
        assert not b.reader._throughs._slots.locked()
    return list(fates)


@pytest.mark.parametrize("batch", range(12))
def test_no_interleaving_completes_a_wrong_answer(batch: int) -> None:
    async def scenario() -> set[str]:
        fates: set[str] = set()
        for seed in range(batch * 25, batch * 25 + 25):
            try:
                fates |= set(await run(seed))
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise
        return fates

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "right" in asyncio.run(scenario())
