"""A job's output on its way: secrets out, then to the log file and, as lines, to the events."""

from collections.abc import Callable
from pathlib import Path

from homeport.lib.redact import Redactor
from homeport.pipeline.model.event import Event, JobNote, JobOutput

_LONGEST_LINE = 64 * 1024


class Output:
    """The output of one attempt. `write` takes bytes in any cut; the methods belong to one thread.

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

    def write(self, data: bytes) -> None:
        """Take raw output: this is a `Sink`."""
        self._show(self._redactor.feed(data))

    def end_part(self) -> None:
        """A script is over: give out what was held back, and end an open line."""
        self._show(self._redactor.flush())
        if self._open_line:
            self._show(b"\n")

    def note(self, message: str, *, warning: bool = False) -> None:
        """Say something of homeport's own, in the log and as an event."""
        self.end_part()
        shown = self._redactor.redact_text(message)
        self._write(f"{shown}\n".encode("utf-8", "surrogateescape"))
        self._emit(JobNote(time=self._clock(), job=self._job, message=shown, warning=warning))

    def close(self) -> None:
        """End the output; idempotent."""
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
