"""Who may connect next: a cap, and a queue that is fair among owners."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from homeport.remote.errors import CrowdedError

MOST_WAITING = 4096
MOST_OF_ONE = 512
"""Who may wait at all, and of one owner: a request that its client gave up waits on, and costs
memory and a timer until its time is over."""


class Turns:
    """`capacity` turns at once. Those who wait are served owner by owner: someone with a thousand
    requests delays another's one by a single turn. `name` is what they wait for."""

    def __init__(self, capacity: int, *, name: str) -> None:
        self.active = 0
        self._capacity = capacity
        self._name = name
        self.waiting = 0
        self._queues: OrderedDict[str, dict[asyncio.Future[None], None]] = OrderedDict()

    @asynccontextmanager
    async def take(self, owner: str, *, seconds: float) -> AsyncIterator[None]:
        """A turn; raises CrowdedError where none comes in time, or too many wait."""
        await self._wait(owner, seconds)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, owner: str, seconds: float) -> None:
        if self.active < self._capacity:
            self.active += 1
            return
        if self.waiting >= MOST_WAITING or len(self._queues.get(owner, ())) >= MOST_OF_ONE:
            raise CrowdedError(f"too many wait for a connection to {self._name}", host=self._name)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(owner, {})[turn] = None
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # it came, but too late
            else:
                self._leave(owner, turn)
            if isinstance(error, TimeoutError):
                raise CrowdedError(
                    f"no connection to {self._name} was free in {seconds:g} seconds:"
                    f" all {self._capacity} are busy",
                    host=self._name,
                ) from None
            raise

    def _leave(self, owner: str, turn: "asyncio.Future[None]") -> None:
        queue = self._queues.get(owner)
        if queue is not None and turn in queue:
            del queue[turn]
            self.waiting -= 1
            if not queue:
                del self._queues[owner]

    def _pass_on(self) -> None:
        while self._queues:
            owner, queue = next(iter(self._queues.items()))
            turn = next(iter(queue))
            del queue[turn]
            self.waiting -= 1
            if queue:
                self._queues.move_to_end(owner)
            else:
                del self._queues[owner]
            if not turn.done():
                turn.set_result(None)
                return
        self.active -= 1
