"""Events as gitlab-ci-local prints them, since scripts look for these lines.

    build  starting shell (build)      a job begins, in the shell or with its image
    build  $ make                      a line of its script
    build  > cc main.c                 a line of its output
    build  finished in 1.2s            its end; with `FAIL 1` or `WARN 1` and its exit code

and after an empty line ` PASS  build`, ` WARN  lint` or ` FAIL  test` for each job that ran, the
last three lines of output below those that failed.
"""

import time
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from threading import Lock
from typing import IO, Final

from msgspec import Struct

from homeport.lib.units import format_seconds
from homeport.pipeline.model.event import (
    ChildFinished,
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
from homeport.pipeline.report.text import printable, shown_lines

ECHO_START, ECHO_END = "\x1b[32;1m$ ", "\x1b[0;m"
"""Around a line of the script in a log with colours, as GitLab Runner writes it."""

_TAIL: Final = 3
_VERDICTS: Final = {"PASS": "42;30", "WARN": "103;30", "FAIL": "41;30"}
_NAME, _OWN, _COMMAND, _GREY = "94", "95", "92", "90"


class ConsoleOptions(Struct, frozen=True, kw_only=True):
    """`padding` is the width of a job's name; `environments` are those of the jobs, by job."""

    padding: int = 0
    colour: bool = False
    quiet: bool = False
    timestamps: bool = False
    environments: Mapping[str, str] = {}


class Console:
    """A sink of events, that any thread may call."""

    def __init__(self, stream: IO[str], options: ConsoleOptions) -> None:
        self._stream = Stream(stream)
        self._options = options
        self._lock = Lock()
        self._order: dict[str, int] = {}
        self._began: dict[str, float] = {}
        self._tails: dict[str, deque[str]] = {}
        self._finished: dict[str, JobFinished] = {}

    def __call__(self, event: Event) -> None:
        with self._lock:
            text = self._tell(event)
            if text:
                self._stream.write(text.encode(self._stream.encoding, "backslashreplace"))

    def close(self) -> None:
        """Raises MissingError when the stream took something not, other than for want of a
        reader."""
        with self._lock:
            self._stream.check()

    def _tell(self, event: Event) -> str:
        match event:
            case JobOutput():
                text = self._output(event)
            case JobStarted():
                text = self._start(event)
            case JobRetried() | JobNote():
                text = self._own(event)
            case ChildFinished() if event.failed and not event.awaited:
                words = "its pipeline failed, which this job does not wait for"
                text = self._line(event.job, self._paint(words, "31"))
            case JobFinished():
                text = self._end(event)
            case RunFinished():
                text = self._report()
            case _:
                text = ""
                if isinstance(event, RunStarted):
                    self._order = {name: place for place, name in enumerate(event.jobs)}
        return text

    def _output(self, event: JobOutput) -> str:
        if self._options.quiet:
            return ""
        prefix = self._prefix(event.job)
        tail = self._tails.setdefault(event.job, deque(maxlen=_TAIL))
        told: list[str] = []
        for raw in event.lines:
            if raw.startswith(ECHO_START):
                command = printable(f"$ {raw.removeprefix(ECHO_START).removesuffix(ECHO_END)}")
                told.append(f"{prefix}{self._paint(command, _COMMAND)}\n")
                continue
            # A line that is nothing but a section marker is not shown.
            for line in shown_lines((raw,), colour=self._options.colour):
                tail.append(line)
                told.append(f"{prefix}{self._paint('>', _GREY)} {line}\n")
        return "".join(told)

    def _start(self, event: JobStarted) -> str:
        self._began[event.job] = time.monotonic()
        self._tails[event.job] = deque(maxlen=_TAIL)
        where = (event.image if event.runs == "container" else None) or event.runs
        stage = self._paint(printable(event.stage), "33")
        start = self._paint("starting", _OWN)
        return self._line(event.job, f"{start} {printable(where)} ({stage})")

    def _own(self, event: JobNote | JobRetried) -> str:
        """Homeport's own words about a job, in as many lines as they have."""
        words, colour = "", "33"
        if isinstance(event, JobRetried):
            words = f"attempt {event.attempt} follows: {event.reason}"
        else:
            words, colour = event.message, "33" if event.warning else _OWN
        lines = (self._paint(printable(line), colour) for line in words.splitlines())
        return "".join(self._line(event.job, line) for line in lines)

    def _end(self, event: JobFinished) -> str:
        if event.job not in self._began:
            return ""
        self._finished[event.job] = event
        words = f"{self._paint('finished', _OWN)} in {_took(event)}"
        verdict = _verdict(event)
        if verdict != "PASS":
            code = "" if event.exit_code is None else f" {event.exit_code}"
            words += f" {self._paint(f' {verdict}{code} ', _VERDICTS[verdict])}"
            if event.reason and event.exit_code is None:
                words += f" {printable(event.reason)}"
        return self._line(event.job, words)

    def _report(self) -> str:
        lines = [""]
        last = len(self._order)
        jobs = sorted(self._finished.values(), key=lambda job: self._order.get(job.job, last))
        for wanted, colour in _VERDICTS.items():
            for event in jobs:
                if _verdict(event) != wanted:
                    continue
                took = f" [{_took(event):>7}]" if self._options.timestamps else ""
                badge = self._paint(f" {wanted} ", colour)
                name = self._paint(self._padded(event.job), _NAME)
                more = f" {event.coverage}% coverage" if event.coverage else ""
                more = "  pre_script" if wanted == "WARN" else more
                lines.append(f"{badge}{took} {name}{more}")
                if wanted != "PASS":
                    lines += (
                        f"  {self._paint('>', colour)} {line}"
                        for line in self._tails.get(event.job, ())
                        if line
                    )
        for event in jobs:
            environment = self._options.environments.get(event.job)
            if environment is not None and _verdict(event) == "PASS":
                name = self._paint(printable(event.job), _NAME)
                lines.append(f"{name} environment: {{ name: {printable(environment)} }}")
        return "\n".join(lines) + "\n"

    def _line(self, job: str, words: str) -> str:
        return f"{self._prefix(job)}{words}\n"

    def _prefix(self, job: str) -> str:
        stamp = ""
        if self._options.timestamps:
            ran = format_seconds(time.monotonic() - self._began.get(job, time.monotonic()))
            at = datetime.now().astimezone().strftime("%H:%M:%S")
            stamp = self._paint(f"[{at} {ran:>7}]", _GREY) + " "
        return f"{stamp}{self._paint(self._padded(job), _NAME)} "

    def _padded(self, job: str) -> str:
        return printable(job).ljust(self._options.padding)

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._options.colour else text


def _verdict(event: JobFinished) -> str:
    if event.status is Status.SUCCESS:
        return "PASS"
    return "WARN" if event.allowed else "FAIL"


def _took(event: JobFinished) -> str:
    return format_seconds(event.duration or 0.0)
