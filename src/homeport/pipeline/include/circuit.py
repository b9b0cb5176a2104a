"""What is asked once: results by key, and hosts that have failed."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from homeport.pipeline.include.api import DeadHostError, UnreachedError

T = TypeVar("T")


class Memo:
    """Results and failures by key; threads that ask for the same wait for the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: dict[Hashable, _Slot] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
        with slot.lock:
            if not slot.done:
                try:
                    slot.result = make()
                except Exception as error:  # noqa: BLE001 - raised again, for each who asks
                    slot.error = error
                slot.done = True
        if slot.error is not None:
            raise slot.error
        result: T = slot.result
        return result


class _Slot:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.done = False
        self.result: Any = None
        self.error: Exception | None = None


class Circuit:
    """Hosts by whether they answer: the first who asks a host finds out for all others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    def reach(self, host: str, call: Callable[[], T]) -> T:
        """What `call` gives. A `DeadHostError` of one call is what all later ones get at once."""
        with self._lock:
            state = self._hosts.setdefault(host, _Host())
        if not state.known:
            with state.lock:
                if not state.known:
                    return self._call(state, call)
        return self._call(state, call)

    def _call(self, state: "_Host", call: Callable[[], T]) -> T:
        if state.reason is not None:
            raise UnreachedError(state.reason)
        try:
            return call()
        except DeadHostError as error:
            state.reason = str(error)
            raise
        finally:
            state.known = True


class _Host:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known = False
        self.reason: str | None = None
