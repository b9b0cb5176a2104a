"""A circuit breaker: after a failure that cost time, nobody else pays for it."""

from collections.abc import Callable

_LEEWAY = 1.25
"""What is left of the same deadline differs a little from call to call."""


class Breaker:
    """Open for `seconds` after a failure. `clock` gives seconds.

    A call with a short deadline that ran out says only that the source is slower than that: calls
    that have more time still go through (`limit`). After its time one call may try; the others are
    refused until it is known how that went.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self.words = ""
        self.open_until: float | None = None
        self._limit: float | None = None
        self._timed_out = False
        self._trying = False

    @property
    def is_open(self) -> bool:
        return self.open_until is not None

    @property
    def timed_out(self) -> bool:
        """Whether the last failure was that no answer came in time."""
        return self._timed_out

    @property
    def remaining(self) -> float:
        return max(0.0, (self.open_until or 0.0) - self._clock())

    def refuses(self, deadline: float | None, *, look: bool = False) -> bool:
        """Whether a call with so much time is refused. Where it is not and the time is over, this
        call is the one that tries, unless it only wants to `look`."""
        if self.open_until is None:
            return False
        if self._limit is not None and (deadline is None or deadline > self._limit * _LEEWAY):
            return False
        if self._clock() < self.open_until or self._trying:
            return True
        if not look:
            self._trying = True
        return False

    def fail(self, words: str, *, timed_out: bool, limit: float | None = None) -> None:
        """`limit` is the short deadline that ran out, None where the source had its full time."""
        if self.open_until is None or self._limit is not None:
            # What is known already is not made smaller: a full failure stays one.
            self._limit = limit if self._limit is None or limit is None else max(limit, self._limit)
        self.words = words
        self.open_until = self._clock() + self._seconds
        self._timed_out = timed_out
        self._trying = False

    def settle(self) -> None:
        """A call that tried ended without a word about the source (it was cancelled)."""
        self._trying = False

    def succeed(self, *, took: float = 0.0) -> None:
        """An answer after `took` seconds, which says nothing of shorter deadlines than that."""
        self._trying = False
        if self._limit is not None and took > self._limit:
            return
        self.open_until = None
        self._limit = None
        self._timed_out = False
        self.words = ""

    def answer(self) -> bool:
        """The source answered a probe; whether that closes the breaker. After a time-out it does
        not before its time: a registry may answer `/v2/` and hang on all the rest."""
        if not self._timed_out:
            self.succeed()
        return self.open_until is None
