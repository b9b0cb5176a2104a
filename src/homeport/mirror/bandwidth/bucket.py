"""A token bucket whose tokens go round among those who wait."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

from homeport.mirror.bandwidth.rate import Rate

QUANTUM = 32 * 1024
"""What one owner gets in its turn, in bytes: small beside a second of any sensible rate."""

_BURST = 0.05
_TICK = 0.001
_LOOK_AGAIN = 30.0


class Bucket:
    """`wall` is the time of day, for windows; `monotonic` fills the bucket.

    An owner is a client, or whom a download is for: however many transfers it has, it has one turn.
    """

    def __init__(
        self, rate: Rate, *, wall: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        self.rate = rate
        self._wall = wall
        self._monotonic = monotonic
        self._tokens = 0.0
        self._filled = monotonic()
        self._waiting: OrderedDict[str, deque[tuple[int, asyncio.Future[None]]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, owner: str, size: int) -> None:
        """Wait for at most `QUANTUM` bytes."""
        granted = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append((size, granted))
        self._hand_out()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give_back(size)
            raise

    def give_back(self, size: int) -> None:
        self._tokens += size
        self._hand_out()

    def replace(self, rate: Rate) -> None:
        """A new rate, for those who wait as well."""
        self._fill()
        self.rate = rate
        self._hand_out()

    def _fill(self) -> int | None:
        now = self._monotonic()
        rate = self.rate.at(self._wall())
        if rate is not None:
            most = max(rate * _BURST, float(QUANTUM))
            self._tokens = min(most, self._tokens + (now - self._filled) * rate)
        self._filled = now
        return rate

    def _hand_out(self) -> None:
        """Grant turn by turn while there are tokens; come back when there will be some."""
        rate = self._fill()
        while self._waiting:
            owner, queue = next(iter(self._waiting.items()))
            while queue and queue[0][1].done():
                queue.popleft()
            if not queue:
                del self._waiting[owner]
                continue
            size, granted = queue[0]
            if rate is not None and self._tokens < size:
                self._come_back(rate, size)
                return
            queue.popleft()
            granted.set_result(None)
            if rate is not None:
                self._tokens -= size
            self._waiting.move_to_end(owner)

    def _come_back(self, rate: int, size: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # A rate of nothing, or next to it, may end with its window.
        wait = (size - self._tokens) / rate if rate else _LOOK_AGAIN
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(min(max(wait, _TICK), _LOOK_AGAIN), self._hand_out)
