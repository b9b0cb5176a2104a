"""docs/reference/mirror-errors.md says what happens."""

import asyncio
import re
from pathlib import Path

import pytest

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.exchange import Reply
from homeport.mirror.model.record import Cache
from homeport.remote.errors import (
    BusyError,
    CutError,
    DeniedError,
    FailedError,
    ForbiddenTargetError,
    NotFoundError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)
from testbed.reading import NGINX, Reading, image, reading

PAGE = Path(__file__).parents[4] / "docs/reference/mirror-errors.md"
FAILURES: dict[str, RemoteError | None] = {
    "has no such manifest": NotFoundError("unknown", status=404),
    "refuses": DeniedError("no", status=401),
    "limits the rate": BusyError("slow down"),
    "fails": FailedError("broken", status=500),
    "sends bytes that are not": None,
    "cannot be reached": UnreachableError("refused"),
    "cuts the transfer": CutError("cut"),
    "leads to where": ForbiddenTargetError("10.0.0.1"),
    "does not answer": TimedOutError("late"),
}


def rows() -> list[tuple[str, str, str]]:
    text = PAGE.read_text().partition("\n## ")[0]
    cells = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    return cells[1:]


def failure_of(upstream: str) -> RemoteError | None:
    [found] = [failure for name, failure in FAILURES.items() if upstream.startswith(name)]
    return found


async def answer(world: Reading) -> Reply | RegistryError:
    try:
        return await world.get("1")
    except RegistryError as error:
        return error


def break_it(world: Reading, failure: RemoteError | None) -> None:
    world.upstream.failure = failure
    if failure is None:
        digest = world.upstream.put(image("new"), "1")
        wrong = world.upstream.content[NGINX.name, world.upstream.put(image("wrong"))]
        world.upstream.content[NGINX.name, digest] = wrong


def test_there_is_a_row_for_each_failure() -> None:
    assert len(rows()) == len(FAILURES)


@pytest.mark.parametrize(("upstream", "cold", "held"), rows(), ids=[row[0] for row in rows()])
def test_the_page_says_what_happens(upstream: str, cold: str, held: str) -> None:
    async def scenario() -> None:
        failure = failure_of(upstream)
        async with reading() as world:
            break_it(world, failure)
            error = await answer(world)
            assert isinstance(error, RegistryError)
            assert cold.startswith(f"{error.status} `{error.code}`")
            assert ("Retry-After" in cold) == ("Retry-After" in error.headers)
            await answer(world)
            asked = len(world.upstream.asked)
            assert ("remembered" in cold) == (asked == 1)
        async with reading() as world:
            world.upstream.put(image(), "1")
            await world.get("1")
            world.clock.pass_by(world.config.tag_ttl + 1)
            break_it(world, failure)
            reply = await answer(world)
            assert held.startswith("stale")
            assert isinstance(reply, Reply)
            assert reply.outcome is not None
            assert (reply.status, reply.outcome.cache) == (200, Cache.STALE)
            assert ("gone" in held.partition(";")[0]) == ("gone" in reply.headers["Warning"])

    asyncio.run(scenario())
