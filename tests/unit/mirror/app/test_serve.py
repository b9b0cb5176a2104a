"""A server that is told to stop before it serves."""

import asyncio

import pytest

from homeport.errors import MissingError
from homeport.mirror.app import serve
from homeport.mirror.app.mirror import Mirror


class Opening(Mirror):
    """Takes for ever, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.cleaned = False

    async def open(self) -> None:
        if self.error is not None:
            raise self.error
        try:
            await asyncio.Event().wait()
        finally:
            self.cleaned = True


def test_stop_while_opening() -> None:
    async def scenario() -> None:
        made, stop = Opening(), asyncio.Event()
        asyncio.get_running_loop().call_soon(stop.set)
        assert not await serve._open(made, stop)
        assert made.cleaned

    asyncio.run(scenario())


def test_a_failure_to_open_is_raised() -> None:
    async def scenario() -> None:
        await serve._open(Opening(MissingError.of("no disk")), asyncio.Event())

    with pytest.raises(MissingError, match="no disk"):
        asyncio.run(scenario())
