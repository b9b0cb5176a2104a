"""Where the time of a job's attempt goes."""

from collections.abc import Callable, Mapping


class Phases:
    """Adds up seconds by name: `image`, `services`, `workspace`, `script`, `artifacts`, `cleanup`;
    caches are part of `workspace` and of `artifacts`. One phase ends where the next one begins."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._name: str | None = None
        self._since = 0.0

    def begin(self, name: str) -> None:
        self.end()
        self._name, self._since = name, self._clock()

    def end(self) -> Mapping[str, float]:
        """The seconds so far; idempotent."""
        if self._name is not None:
            took = max(0.0, self._clock() - self._since)
            self._seconds[self._name] = self._seconds.get(self._name, 0.0) + took
            self._name = None
        return self._seconds
