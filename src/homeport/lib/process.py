"""A command with everything that it starts: its output as it comes, and an end to all of it.

The command leads a session of its own, so it has no terminal and one signal reaches its whole
group. Processes that left the group are found by a mark in their environment, where the system
shows environments (Linux).
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

_BLOCK = 1 << 16  # what a pipe holds
_QUIET = 0.25
_LAST_WORDS = 2.0
_TICK = 0.02
_ROUNDS = 10
_SMALL, _HASTY, _PAUSE = 4096, 8, 0.004
_EXITED, _END = b"x", b"e"

Sink = Callable[[bytes], None]


class ProcessTree:
    """A command that was started; `read` follows it to its end.

    Its environment should hold `mark` (`NAME=value`) if descendants are to be found by it. `grace`
    are the seconds between asking to end (SIGTERM) and ending (SIGKILL). Raises OSError when the
    command cannot be started, ValueError for an impossible environment.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        stdin: int,
        mark: str | None = None,
        grace: float = 2.0,
    ) -> None:
        self._mark = mark.encode() if mark is not None else None
        self._grace = grace
        # Reentrant, because a signal handler may ask for the end in the thread that holds it.
        self._lock = threading.RLock()
        self._closed = False
        self._hunting = False  # whether descendants outside the group are looked for
        self._silent = False  # whether the output has ended
        self._exited_at: float | None = None
        self._kill_at: float | None = None
        self._exit: int | None = None
        self._output, output = os.pipe()
        self._awake, self._alarm = os.pipe()
        try:
            self._process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=stdin,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except BaseException:
            self._close()
            raise
        finally:
            os.close(output)

    def end(self) -> None:
        """Ask for the end of the tree and return at once; safe from any thread."""
        self._wake(_END)

    def kill(self) -> None:
        """End the tree at once, without asking; safe from any thread."""
        with self._lock:
            if self._closed:
                return
            # Here and now, because the reading thread may hang in its sink.
            self._hunting = True
            self._signal(signal.SIGKILL)
            self._kill_at = time.monotonic()
        self._wake(_END)

    def read(self, sink: Sink) -> int:
        """Give all output to `sink` until the command is over; its status, as a shell shows it.

        Whatever the command leaves running is ended, also if `sink` raises.
        """
        try:
            self._watch()
            try:
                self._follow(sink)
            except BaseException:
                self._kill_at = time.monotonic()
                self._hunting = True
                self._signal(signal.SIGKILL)
                raise
            finally:
                self._process.wait()
                self._end_rest(sink)
        finally:
            self._close()
        code = self._process.returncode
        return code if code >= 0 else 128 - code

    def _watch(self) -> None:
        """Learn of the command's exit: by a file that becomes readable, or from a thread where the
        system has no such file (before Linux 5.3, or another one)."""
        if sys.platform == "linux":
            with suppress(OSError):
                self._exit = os.pidfd_open(self._process.pid)
                return
        threading.Thread(target=self._tell_exit, daemon=True).start()

    def _tell_exit(self) -> None:
        """Tell of the command's exit; where possible without reaping it, which frees its id."""
        if hasattr(os, "waitid"):
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._process.wait()
        self._wake(_EXITED)

    def _follow(self, sink: Sink) -> None:
        """Until the command has exited, and its output has ended or stays quiet.

        A process that the command left in the background may keep the pipe open for ever, so its
        end is not waited for: a short silence is enough, and there is a bound for those that go on
        talking. `tee` and the like, which see their input end, are done long before.
        """
        poller = select.poll()
        poller.register(self._output, select.POLLIN)
        poller.register(self._awake, select.POLLIN)
        if self._exit is not None:
            poller.register(self._exit, select.POLLIN)
        heard = 0.0
        hasty = 0
        while True:
            ready = poller.poll(self._patience())
            now = time.monotonic()
            for file, _ in ready:
                if file == self._awake:
                    self._heed(now)
                elif file == self._exit:
                    poller.unregister(file)
                    self._exited_at = now
                elif block := os.read(self._output, _BLOCK):
                    # A writer of many short lines would wake this thread for each of them.
                    hasty = hasty + 1 if len(block) < _SMALL and now - heard < _PAUSE else 0
                    heard = now
                    sink(block)
                    if hasty > _HASTY:
                        time.sleep(_PAUSE)
                else:
                    poller.unregister(self._output)
                    self._silent = True
            if self._kill_at is not None and now >= self._kill_at:
                self._signal(signal.SIGKILL)
            if self._exited_at is None:
                continue
            if self._silent or now - max(heard, self._exited_at) >= _QUIET:
                return
            if now - self._exited_at >= _LAST_WORDS:
                return

    def _patience(self) -> float | None:
        """Milliseconds until something is due; None when only an event counts."""
        if self._exited_at is not None:
            return _QUIET * 1000
        if self._kill_at is not None:
            return max(_TICK, self._kill_at - time.monotonic()) * 1000
        return None

    def _heed(self, now: float) -> None:
        for message in os.read(self._awake, 16):
            if message == ord(_EXITED):
                self._exited_at = now
            elif self._kill_at is None:
                self._ask_to_end(now)

    def _ask_to_end(self, now: float) -> None:
        self._kill_at = now + self._grace
        self._hunting = True
        self._signal(signal.SIGTERM)

    def _end_rest(self, sink: Sink) -> None:
        """End what the command left behind, and deliver what that still says."""
        if not self._silent:
            self._hunting = True
        if self._has_rest():
            if self._kill_at is None:
                self._ask_to_end(time.monotonic())
            deadline = self._kill_at or 0.0
            while self._has_rest() and time.monotonic() < deadline:
                self._drain(sink, _TICK)
            if self._has_rest():
                self._signal(signal.SIGKILL)
                deadline = time.monotonic() + _QUIET
                while self._has_rest() and time.monotonic() < deadline:
                    self._drain(sink, _TICK)
        self._drain(sink, 0.0)

    def _drain(self, sink: Sink, patience: float) -> None:
        """Deliver what the pipe holds, waiting `patience` seconds for more."""
        if self._silent:
            time.sleep(patience)
            return
        poller = select.poll()
        poller.register(self._output, select.POLLIN)
        bound = time.monotonic() + _QUIET
        while time.monotonic() < bound and poller.poll(patience * 1000):
            block = os.read(self._output, _BLOCK)
            if not block:
                self._silent = True
                return
            with suppress(Exception):
                sink(block)

    def _has_rest(self) -> bool:
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return self._stray_lives()
        except PermissionError:
            return False  # only processes of another user are left
        return self._group_lives() or self._stray_lives()

    def _stray_lives(self) -> bool:
        """Looks twice: a process that becomes another program shows no environment meanwhile."""
        if not self._hunting or self._mark is None:
            return False
        if self._strays():
            return True
        time.sleep(_TICK)
        return bool(self._strays())

    def _group_lives(self) -> bool:
        """Whether a process of the group is more than a zombie that nobody has reaped yet."""
        states = [_state_of(pid) for pid in all_pids()]
        if not states:  # no /proc to look in
            return True
        group = str(self._process.pid).encode()
        return any(pgrp == group and state not in (b"Z", b"X") for state, pgrp in states)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
        for stray in self._strays():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(stray, number)

    def _strays(self) -> list[int]:
        """Marked processes, in the group or out of it."""
        if not self._hunting or self._mark is None:
            return []
        mark = self._mark
        return [int(pid) for pid in all_pids() if mark in _environment_of(pid).split(b"\0")]

    def _wake(self, message: bytes) -> None:
        with self._lock:
            if not self._closed:
                os.write(self._alarm, message)

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            for file in (self._output, self._awake, self._alarm, self._exit):
                if file is not None:
                    os.close(file)


def kill_marked(start: str, *, but: frozenset[str] = frozenset()) -> None:
    """Kill every process with an environment entry that begins with `start`, where the system
    shows environments; the processes `but` (`all_pids`) are not looked at."""
    beginning = b"\0" + os.fsencode(start)
    for _ in range(_ROUNDS):  # whoever forks at this moment is met by the next round
        found = [
            pid
            for pid in all_pids()
            if pid not in but and beginning in b"\0" + _environment_of(pid)
        ]
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(_TICK)


def _environment_of(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            return file.read() or b""
    except OSError:
        return b""  # gone, or of another user


def all_pids() -> list[str]:
    """The ids of all processes, where the system shows them."""
    try:
        return [name for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []


def _state_of(pid: str) -> tuple[bytes, bytes]:
    """State letter and process group (proc(5), stat: after the name in brackets)."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            fields = (file.read() or b"").rpartition(b")")[2].split()
    except OSError:
        return b"X", b""
    return (fields[0], fields[2]) if len(fields) > 2 else (b"X", b"")
