"""This process's terminal, lent to a shell: here, or at the other end of a connection."""

import os
import select
import signal
import subprocess
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

_BLOCK = 1 << 16
_GRACE = 2.0
"""Seconds between asking a shell to end and ending it."""
_TICK = 0.5
"""Seconds after which the size of the window is looked at again."""


class Far(Protocol):
    """A terminal elsewhere. `read` gives empty bytes at its end; `close` ends a `read`."""

    def read(self) -> bytes: ...
    def write(self, data: bytes) -> None: ...
    def resize(self, rows: int, columns: int) -> None: ...
    def close(self) -> None: ...


def run_here(
    argv: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    started: Callable[[Callable[[], None]], Callable[[], None]],
) -> int:
    """Run an interactive command on the terminal, to its end; its status, as a shell shows it.

    `started` is given a function that ends it, and gives one that is called when it has ended.
    Raises OSError.
    """
    before = termios.tcgetattr(0)
    group = os.tcgetpgrp(0)
    process = subprocess.Popen(argv, cwd=cwd, env=env)
    asked: list[float] = []

    def end() -> None:
        # An interactive shell ignores SIGTERM. A second request is urgent.
        process.send_signal(signal.SIGKILL if asked else signal.SIGHUP)
        asked.append(time.monotonic())

    ended = started(end)
    try:
        code = _wait(process, asked)
    finally:
        ended()
        with _unstopped(), suppress(OSError, termios.error):
            os.tcsetpgrp(0, group)
            termios.tcsetattr(0, termios.TCSADRAIN, before)
    return code if code >= 0 else 128 - code


def _wait(process: "subprocess.Popen[bytes]", asked: list[float]) -> int:
    """The status of a shell that is killed when it does not end soon after it was asked to: Bash
    forgets a SIGHUP that comes just before it reads."""
    while True:
        try:
            return process.wait(_TICK)
        except subprocess.TimeoutExpired:
            if asked and time.monotonic() - asked[0] > _GRACE:
                process.kill()


def relay(far: Far) -> None:
    """Show a terminal from elsewhere on this one until it ends: every key goes there, also the ones
    that would interrupt us."""
    before = termios.tcgetattr(0)
    awake, alarm = os.pipe()
    thread = threading.Thread(target=_show, args=(far, alarm), daemon=True)
    try:
        tty.setraw(0)
        thread.start()
        size = (0, 0)
        while True:
            now = window()
            if now != size:
                size = now
                far.resize(*now)
            ready, _, _ = select.select([0, awake], [], [], _TICK)
            if awake in ready:
                return
            if 0 in ready:
                data = os.read(0, _BLOCK)
                if not data:  # the terminal has hung up
                    return
                far.write(data)
    finally:
        far.close()
        thread.join()
        os.close(awake)
        os.close(alarm)
        with _unstopped(), suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, before)


def window() -> tuple[int, int]:
    """Rows and columns of the terminal."""
    try:
        columns, rows = os.get_terminal_size(0)
    except OSError:
        return 24, 80
    return rows or 24, columns or 80


def _show(far: Far, alarm: int) -> None:
    with suppress(Exception):
        while data := far.read():
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(1, rest) :]
    os.write(alarm, b"e")


@contextmanager
def _unstopped() -> Iterator[None]:
    """While the terminal is another's, whoever sets it is stopped, unless SIGTTOU is blocked."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
