"""One errand to an upstream for all who want the same; nobody's going away ends it."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Flight(Generic[T]):
    """An errand under way. `owner` began it; others joined."""

    def __init__(self, task: asyncio.Task[T], started: float) -> None:
        self._task = task
        self._started = started

    @property
    def done(self) -> bool:
        return self._task.done()

    async def wait(self, seconds: float | None) -> bool:
        """Whether it is done `seconds` after its start (None: however long it takes)."""
        if self._task.done():
            return True
        left = None
        if seconds is not None:
            left = self._started + seconds - asyncio.get_running_loop().time()
            if left <= 0:
                return False
        await asyncio.wait((self._task,), timeout=left)
        return self._task.done()

    def result(self) -> T:
        """Its value, or what it raised. A task that was ended from outside raises
        CancelledError."""
        return self._task.result()


class Flights(Generic[T]):
    """Errands by key, at most `limit` at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._flights: dict[Hashable, Flight[T]] = {}
        self._tasks: set[asyncio.Task[T]] = set()

    @property
    def full(self) -> bool:
        return len(self._flights) >= self._limit

    def get(self, key: Hashable) -> Flight[T] | None:
        return self._flights.get(key)

    def begin(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> Flight[T]:
        """A new errand; the caller has looked for one under way and for `full`."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(work())
        flight = Flight(task, loop.time())
        self._flights[key] = flight
        self._tasks.add(task)

        def end(ended: asyncio.Task[T]) -> None:
            self._tasks.discard(ended)
            if self._flights.get(key) is flight:
                del self._flights[key]
            if not ended.cancelled():
                ended.exception()  # seen, also where nobody waits any more

        task.add_done_callback(end)
        return flight

    async def close(self) -> None:
        """End all that is under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
