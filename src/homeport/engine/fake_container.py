"""A container of the engine in memory (`engine.fake`), and the program that it plays.

Its shell knows four words, one a line: `echo TEXT`, `cat PATH`, `sleep SECONDS` (which a signal
ends) and `exit STATUS`; any other line prints nothing.
"""

import tarfile
import threading
from collections.abc import Callable

from homeport.engine.api import ContainerSpec

SIGNALS = {"SIGTERM": 15, "SIGKILL": 9, "SIGINT": 2}


class FakeContainer:
    """One container: its request, its files by path without a leading slash, and its state."""

    def __init__(self, spec: ContainerSpec) -> None:
        self.spec = spec
        self.files: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
        self.stdin = bytearray()
        self.stdin_closed = threading.Event()
        self.started = threading.Event()
        self.ended = threading.Event()
        self.output: list[bytes] = []
        self.exit_code = 0
        self.signal: str | None = None
        self.signalled = threading.Event()
        self.executed: list[tuple[str, ...]] = []
        self.joined: list[str] = []
        self.health: tuple[str, ...] = ()
        self.checks: Callable[[tuple[str, ...]], int] = lambda _: 0

    @property
    def running(self) -> bool:
        return self.started.is_set() and not self.ended.is_set()


class FakeStream:
    """An attached container, whose output is delivered when its program has ended."""

    def __init__(self, container: FakeContainer) -> None:
        self._container = container
        self._closed = threading.Event()

    def write(self, data: bytes) -> None:
        self._container.stdin += data

    def close_write(self) -> None:
        self._container.stdin_closed.set()

    def read(self, output: Callable[[bytes], None]) -> None:
        while not self._container.ended.wait(0.005):
            if self._closed.is_set():
                return
        for data in self._container.output:
            output(data)

    def close(self) -> None:
        self._closed.set()


def play(container: FakeContainer, script: str) -> int:
    """The shell of four words (see the module)."""
    for line in script.splitlines():
        word, _, rest = line.strip().partition(" ")
        if container.signal is not None:
            return 0
        if word == "echo":
            container.output.append(f"{rest}\n".encode())
        elif word == "cat":
            container.output.append(container.files[rest.strip("/")][1])
        elif word == "sleep":
            container.signalled.wait(float(rest))
        elif word == "exit":
            return int(rest)
    return 0


def send_signal(container: FakeContainer, signal: str) -> None:
    container.signal = signal if signal in SIGNALS else f"SIG{signal}"
    container.signalled.set()
