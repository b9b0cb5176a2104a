"""Events for people: each line with the name of its job before it, as it happens, and a summary.

A line is written whole, or not at all, so that lines of jobs that run at once never mix.
"""

from collections.abc import Sequence
from threading import Event as Flag
from threading import Lock, Thread
from time import monotonic
from types import TracebackType
from typing import IO, Self

from homeport.errors import MissingError
from homeport.lib.columns import pad, width
from homeport.lib.units import format_seconds
from homeport.pipeline.model.event import (
    ChildFinished,
    ChildStarted,
    Event,
    JobFinished,
    JobNote,
    JobOutput,
    JobRetried,
    JobStarted,
    RunFinished,
    RunStarted,
    Status,
)
from homeport.pipeline.report.stream import Stream
from homeport.pipeline.report.summary import (
    COLOURS,
    WARNING,
    Summary,
    paint,
    status_colour,
    status_words,
)
from homeport.pipeline.report.text import printable, shown_lines

_HOLD_SECONDS = 0.05
_HOLD_CHARACTERS = 64 * 1024
_WIDEST_NAME = 32
_PALETTE = ("36", "35", "34", "33", "32", "96", "95", "94")


_LOUD = {
    Status.FAILED: "failed",
    Status.CANCELED: "was canceled",
    Status.MANUAL: "is blocked",
    Status.RUNNING: "is blocked",
}
"""What a child pipeline may end as that its trigger job does not show."""


class Console:
    """A sink of events; may be called by any thread. To be closed, best by `with`.

    `colour` turns on ANSI colours, those in the jobs' own output included; whether it should is
    the caller's decision. `quiet` leaves the summary alone. Output is held back for at most 50 ms.
    """

    def __init__(self, stream: IO[str], *, colour: bool, quiet: bool = False) -> None:
        self._stream = Stream(stream)
        self._colour = colour
        self._quiet = quiet
        self._output_bar, self._own_bar = _bars(self._stream.encoding)
        self._summary = Summary()
        self._width = 0
        self._prefixes: dict[str, tuple[str, str]] = {}
        self._lock = Lock()
        self._held: list[str] = []
        self._held_characters = 0
        self._last_write = 0.0
        self._flusher: Thread | None = None
        self._something_held = Flag()
        self._closing = Flag()

    def __call__(self, event: Event) -> None:
        if isinstance(event, JobOutput):
            if not self._quiet:
                lines = shown_lines(event.lines, colour=self._colour)
                with self._lock:
                    self._hold(self._prefixed(event.job, lines, own=False))
            return
        with self._lock:
            self._summary.add(event)
            if isinstance(event, RunStarted | ChildStarted):
                widest = max((width(printable(name)) for name in event.jobs), default=0)
                if min(_WIDEST_NAME, widest) > self._width:
                    self._width = min(_WIDEST_NAME, widest)
                    self._prefixes.clear()
            text = "" if self._quiet else self._tell(event)
            if isinstance(event, RunFinished):
                gap = () if self._quiet else ("",)
                told = self._summary.lines(colour=self._colour)
                text += "".join(f"{line}\n" for line in (*gap, *told))
            self._held.append(text)
            self._write()

    def flush(self) -> None:
        """Write what is held back, before somebody else writes on the same terminal."""
        with self._lock:
            self._write()

    def close(self) -> None:
        """Write what is held back and end the thread that would do so; may be called again.

        Raises MissingError when the stream took something not, other than for want of a reader."""
        self._closing.set()
        self._something_held.set()
        if self._flusher is not None:
            self._flusher.join()
            self._flusher = None
        with self._lock:
            self._write()
            self._stream.check()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _tell(self, event: Event) -> str:
        """The lines about an event that is no output."""
        match event:
            case RunStarted():
                count = len(event.jobs)
                what = f"{count} job" if count == 1 else f"{count} jobs"
                at = f"{printable(event.ref)} at {printable(event.sha[:8])}"
                return f"Run {printable(event.run)}: {what}, {at}\n"
            case JobStarted():
                return self._own(event.job, _start_words(event))
            case JobRetried():
                words = f"attempt {event.attempt} follows: {event.reason}"
                return self._own(event.job, words, WARNING)
            case JobNote():
                said = event.message.startswith(("WARNING: ", "ERROR: "))
                words = f"warning: {event.message}" if event.warning and not said else event.message
                return self._own(event.job, words, WARNING if event.warning else "2")
            case JobFinished() if event.status not in (Status.MANUAL, Status.CREATED):
                return self._own(event.job, _end_words(event), status_colour(event))
            case _:
                return self._tell_child(event)

    def _tell_child(self, event: Event) -> str:
        if isinstance(event, ChildStarted):
            what = "1 job" if len(event.jobs) == 1 else f"{len(event.jobs)} jobs"
            return self._own(event.job, f"has made a pipeline of {what}")
        if isinstance(event, ChildFinished) and not event.awaited and event.status in _LOUD:
            words = f"its pipeline {_LOUD[event.status]}, which this job does not wait for"
            return self._own(event.job, words, COLOURS[event.status])
        return ""

    def _own(self, job: str, words: str, colour: str = "1") -> str:
        """Homeport's own words about a job, in as many lines as they have."""
        lines = [paint(printable(line), colour, on=self._colour) for line in words.splitlines()]
        return self._prefixed(job, lines, own=True)

    def _prefixed(self, job: str, lines: Sequence[str], *, own: bool) -> str:
        prefixes = self._prefixes.get(job)
        if prefixes is None:
            prefixes = self._prefixes[job] = self._make_prefixes(job)
        if not lines:
            return ""
        prefix = prefixes[own]
        return prefix + f"\n{prefix}".join(lines) + "\n"

    def _make_prefixes(self, job: str) -> tuple[str, str]:
        name = pad(printable(job), self._width)
        colour = _PALETTE[len(self._prefixes) % len(_PALETTE)]
        output, own = (
            paint(f"{name} {bar}", colour, on=self._colour) + " "
            for bar in (self._output_bar, self._own_bar)
        )
        return output, own

    def _hold(self, text: str) -> None:
        """Write output at once after a pause, else together with what comes soon."""
        self._held.append(text)
        self._held_characters += len(text)
        if (
            self._held_characters >= _HOLD_CHARACTERS
            or self._closing.is_set()
            or monotonic() - self._last_write >= _HOLD_SECONDS
        ):
            self._write()
            return
        self._something_held.set()
        if self._flusher is None:
            self._flusher = Thread(target=self._flush, name="homeport-console", daemon=True)
            self._flusher.start()

    def _flush(self) -> None:
        while not self._closing.is_set():
            self._something_held.wait()
            self._closing.wait(_HOLD_SECONDS)
            with self._lock:
                try:
                    self._write()
                except MissingError:
                    # The next write raises it again, on a thread that can bear it.
                    return

    def _write(self) -> None:
        self._something_held.clear()
        if not self._held:
            return
        text = "".join(self._held)
        self._held.clear()
        self._held_characters = 0
        self._stream.write(text.encode(self._stream.encoding, "backslashreplace"))
        self._last_write = monotonic()


def _bars(encoding: str) -> tuple[str, str]:
    """What stands between a job's name and its output, or homeport's own words."""
    try:
        "│─".encode(encoding)
    except UnicodeEncodeError:
        return "|", "-"
    return "│", "─"


def _start_words(event: JobStarted) -> str:
    attempt = f", attempt {event.attempt}" if event.attempt > 1 else ""
    if event.runs == "downstream":
        return "started: it makes a pipeline of its own"
    if event.runs == "container":
        return f"started in a container of {event.image}{attempt}"
    instead = f" instead of its image {event.image}" if event.image else ""
    return f"started in the {event.runs}{instead}{attempt}"


def _end_words(event: JobFinished) -> str:
    took = "" if event.duration is None else f" after {format_seconds(event.duration)}"
    reason = f": {event.reason}" if event.reason else ""
    return f"{status_words(event)}{took}{reason}"
