"""A job's output on its way: secrets out, then to the log file and, as lines, to the events."""

import threading
from collections.abc import Callable
from pathlib import Path

from homeport.lib.redact import Redactor
from homeport.pipeline.model.event import Event, JobNote, JobOutput

_LONGEST_LINE = 64 * 1024
_MOST_ASIDES = 10_000
"""Lines that may wait for the end of one line of the script."""


class Output:
    """The output of one attempt. `write` takes bytes in any cut; the methods belong to one thread,
    but for `aside`.

    `log` is created anew. `emit` gets whole lines, in batches as they come; a line without end is
    cut after 64 KiB. Raises OSError when the log cannot be written.
    """

    def __init__(
        self,
        job: str,
        log: Path,
        redactor: Redactor,
        emit: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        self._job = job
        self._redactor = redactor
        self._emit = emit
        self._clock = clock
        self._open_line: list[bytes] = []
        self._open_size = 0
        self._file = log.open("wb", buffering=0)
        self._lock = threading.RLock()
        self._asides: list[str] = []

    def write(self, data: bytes) -> None:
        """Take raw output: this is a `Sink`."""
        with self._lock:
            self._show(self._redactor.feed(data))

    def end_part(self) -> None:
        """A script is over: give out what was held back, and end an open line."""
        with self._lock:
            self._show(self._redactor.flush())
            if self._open_line:
                self._show(b"\n")

    def aside(self, line: str) -> None:
        """A line that does not come from the script, from any thread: it waits for the end of an
        open line, and passes what the redactor holds back."""
        with self._lock:
            if len(self._asides) < _MOST_ASIDES:
                self._asides.append(self._redactor.redact_text(line))
            if not self._open_line:
                self._give_asides()

    def note(self, message: str, *, warning: bool = False) -> None:
        """Say something of homeport's own, in the log and as an event."""
        with self._lock:
            self.end_part()
            shown = self._redactor.redact_text(message)
            self._write(f"{shown}\n".encode("utf-8", "surrogateescape"))
            self._emit(JobNote(time=self._clock(), job=self._job, message=shown, warning=warning))

    def close(self) -> None:
        """End the output; idempotent."""
        with self._lock:
            if not self._file.closed:
                try:
                    self.end_part()
                finally:
                    self._file.close()

    def _show(self, data: bytes) -> None:
        if not data:
            return
        self._write(data)
        head, newline, rest = data.rpartition(b"\n")
        if newline:
            self._send(head)
            self._open_line, self._open_size = [], 0
        if rest:
            self._open_line.append(rest)
            self._open_size += len(rest)
            if self._open_size > _LONGEST_LINE:
                self._send(b"")
                self._open_line, self._open_size = [], 0
        if self._asides and not self._open_line:
            self._give_asides()

    def _give_asides(self) -> None:
        lines, self._asides = tuple(self._asides), []
        self._write("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
        self._emit(JobOutput(time=self._clock(), job=self._job, lines=lines))

    def _send(self, head: bytes) -> None:
        if self._open_line:
            head = b"".join((*self._open_line, head))
        text = head.decode("utf-8", "replace")
        if "\r" in text:
            text = f"{text}\n".replace("\r\n", "\n")[:-1]
        lines = tuple(text.split("\n"))
        self._emit(JobOutput(time=self._clock(), job=self._job, lines=lines))

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]
