"""Calls when a time is over, all from one thread: a thread for each would cost more than a job."""

import threading
import time
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class Deadlines:
    """`after` has something called later, once; the thread lives as long as the process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int]] = []
        self._calls: dict[int, Callable[[], None]] = {}
        self._numbers = count()
        self._thread: threading.Thread | None = None

    def after(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        """Have `call` called in `seconds`, on the thread of all deadlines, so it must be short and
        raise nothing. Returns what cancels it, which may come too late."""
        at, number = time.monotonic() + min(seconds, threading.TIMEOUT_MAX), next(self._numbers)
        with self._changed:
            self._calls[number] = call
            heappush(self._due, (at, number))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            elif self._due[0][1] == number:
                self._changed.notify()
        # What is canceled stays in the heap until its time: so the next one is seldom the first in
        # it, and the thread sleeps on.
        return lambda: self._forget(number)

    def _forget(self, number: int) -> None:
        with self._changed:
            self._calls.pop(number, None)

    def _work(self) -> None:
        while True:
            with self._changed:
                while (left := self._left()) is None or left > 0:
                    self._changed.wait(left)
                call = self._calls.pop(heappop(self._due)[1], None)
            if call is not None:
                call()

    def _left(self) -> float | None:
        """Seconds until the next one, None without any."""
        return self._due[0][0] - time.monotonic() if self._due else None
