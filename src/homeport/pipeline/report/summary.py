"""What became of a run: a table of jobs and a few sentences."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from os import SEEK_END
from pathlib import Path

from homeport.lib.columns import pad, width
from homeport.lib.units import format_seconds
from homeport.pipeline.model.event import (
    ChildFinished,
    ChildStarted,
    DeploymentRecorded,
    Event,
    JobFinished,
    JobStarted,
    PagesKept,
    ReleaseRecorded,
    RunFinished,
    RunStarted,
    Status,
)
from homeport.pipeline.report.text import printable, shown_lines

COLOURS = {
    Status.SUCCESS: "32",
    Status.FAILED: "31",
    Status.CANCELED: "33",
    Status.SKIPPED: "2",
    Status.MANUAL: "36",
    Status.CREATED: "2",
    Status.RUNNING: "36",
}
WARNING = "33"
_TAILS, _TAIL_LINES, _TAIL_BYTES, _TAIL_WIDTH = 5, 3, 4096, 160

_SENTENCES = {
    Status.SUCCESS: "succeeded",
    Status.FAILED: "failed",
    Status.CANCELED: "was canceled",
    Status.MANUAL: "is blocked",
    Status.RUNNING: "is blocked",
    Status.SKIPPED: "was skipped, as none of its jobs ran,",
}
_TOTALS = {
    Status.SUCCESS: "succeeded",
    Status.FAILED: "failed",
    Status.CANCELED: "canceled",
    Status.SKIPPED: "skipped",
    Status.MANUAL: "manual",
    Status.CREATED: "waiting",
    Status.RUNNING: "blocked",
}


def paint(text: str, colour: str, *, on: bool) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if on and text else text


def status_words(event: JobFinished) -> str:
    """`failed (allowed)` and the like."""
    return f"{event.status.value} (allowed)" if event.allowed else event.status.value


def status_colour(event: JobFinished) -> str:
    return WARNING if event.allowed else COLOURS.get(event.status, "0")


class Summary:
    """Takes every event of a run and tells the whole once `RunFinished` was among them."""

    def __init__(self) -> None:
        # A child's jobs come after their trigger job, at any depth.
        self._order: dict[str, tuple[int, ...]] = {}
        self._children: list[ChildFinished] = []
        self._started: dict[str, JobStarted] = {}
        self._jobs: list[JobFinished] = []
        self._outcomes: list[ReleaseRecorded | DeploymentRecorded | PagesKept] = []
        self._finished: RunFinished | None = None

    def add(self, event: Event) -> None:
        if isinstance(event, JobFinished):
            self._jobs.append(event)
        elif isinstance(event, JobStarted):
            self._started[event.job] = event
        elif isinstance(event, RunStarted):
            self._order = {name: (place,) for place, name in enumerate(event.jobs)}
        elif isinstance(event, ChildStarted):
            above = self._order.get(event.job, ())
            self._order |= {name: (*above, place) for place, name in enumerate(event.jobs)}
        elif isinstance(event, ChildFinished):
            self._children.append(event)
        elif isinstance(event, ReleaseRecorded | DeploymentRecorded | PagesKept):
            self._outcomes.append(event)
        elif isinstance(event, RunFinished):
            self._finished = event
            self._jobs.sort(key=lambda job: self._order.get(job.job, (len(self._order),)))

    def lines(self, *, colour: bool) -> Iterator[str]:
        """The table, then the sentences, without line ends; nothing before the run has ended."""
        if self._finished is None:
            return
        yield from self._table(colour=colour)
        yield from self._sentences(self._finished, colour=colour)

    def _table(self, *, colour: bool) -> Iterator[str]:
        heads = ("Job", "Stage", "Status", "Duration", "Ran", "Reason")
        rows = [
            (
                printable(job.job),
                printable(job.stage),
                status_words(job),
                "" if job.duration is None else format_seconds(job.duration),
                self._place(job),
                self._remark(job),
            )
            for job in self._jobs
        ]
        if not rows:
            return
        widths = [max(map(width, column)) for column in zip(heads, *rows, strict=True)]
        yield paint(_row(heads, widths), "1", on=colour)
        for job, row in zip(self._jobs, rows, strict=True):
            status = paint(pad(row[2], widths[2]), status_colour(job), on=colour)
            yield _row((row[0], row[1], status, *row[3:]), widths)
        yield ""

    def _place(self, job: JobFinished) -> str:
        started = self._started.get(job.job)
        if started is None:
            return ""
        if started.runs == "container":
            return printable(started.image or "container")
        return "shell, not its image" if started.image else printable(started.runs)

    def _remark(self, job: JobFinished) -> str:
        started = self._started.get(job.job)
        attempts = started.attempt if started else 1
        parts = (
            printable(job.reason) if job.reason else "",
            f"attempt {attempts}" if attempts > 1 else "",
            f"coverage {printable(job.coverage)}" if job.coverage else "",
        )
        return ", ".join(part for part in parts if part)

    def _sentences(self, finished: RunFinished, *, colour: bool) -> Iterator[str]:
        counts = Counter(job.status for job in self._jobs)
        totals = ", ".join(
            f"{counts[status]} {word}" for status, word in _TOTALS.items() if counts[status]
        )
        verdict = _SENTENCES.get(finished.status, finished.status.value)
        tone = COLOURS.get(finished.status, "0")
        if finished.status is Status.SUCCESS and finished.warnings:
            verdict, tone = f"{verdict} with warnings", WARNING
        took = format_seconds(finished.time)
        verdict = paint(f"Pipeline {verdict}", tone, on=colour)
        yield f"{verdict} after {took}" + (f": {totals}" if totals else "")
        allowed = [job.job for job in self._jobs if job.allowed]
        if allowed:
            yield paint(f"Warning: allowed to fail: {_names(allowed)}", WARNING, on=colour)
        yield from self._unawaited(colour=colour)
        if finished.blocked:
            if finished.failed:
                yield paint(f"Failed: {_names(finished.failed)}", COLOURS[Status.FAILED], on=colour)
            yield f"It waits for manual jobs: {_names(finished.blocked)}"
            # Those of child pipelines cannot be named.
            inside = {name for child in self._children for name in child.blocked}
            named = [name for name in finished.blocked if name not in inside]
            if named:
                yield f"  start them with: homeport run {_arguments(named)}"
        yield from map(printable, map(_outcome, self._outcomes))
        yield from self._logs(colour=colour)

    def _unawaited(self, *, colour: bool) -> Iterator[str]:
        """Pipelines that ended badly, while the jobs that made them are green."""
        for child in self._children:
            if child.awaited or child.status in (Status.SUCCESS, Status.SKIPPED):
                continue
            verdict = _SENTENCES.get(child.status, child.status.value)
            names = child.blocked if child.status is Status.MANUAL else child.failed
            words = f"The pipeline that {printable(child.job)} made {verdict}"
            words += f": {_names(names)}" if names else ""
            yield paint(words, COLOURS.get(child.status, "0"), on=colour)
            if child.status is Status.FAILED:
                yield (
                    "  its job does not wait for it, as it has no strategy; "
                    "--fail-on-child makes the run fail"
                )

    def _logs(self, *, colour: bool) -> Iterator[str]:
        """Where to read on: the logs of what failed, with their ends, or the folder of all logs."""
        failed = [job.log for job in self._jobs if job.log and job.status is Status.FAILED]
        if failed:
            for number, log in enumerate(failed):
                yield f"Log: {printable(log)}"
                # Of a single job they stand just above.
                if len(self._jobs) > 1 and number < _TAILS:
                    yield from (paint(f"  {line}", "2", on=colour) for line in _last_lines(log))
            return
        folders = dict.fromkeys(job.log.rpartition("/")[0] for job in self._jobs if job.log)
        if len(folders) == 1:
            yield f"Logs: {printable(next(iter(folders)))}"


def _last_lines(log: str) -> Sequence[str]:
    """The end of a log, as it is shown on a terminal without colours."""
    try:
        with Path(log).open("rb") as file:
            file.seek(max(0, file.seek(0, SEEK_END) - _TAIL_BYTES))
            text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ()
    lines = shown_lines(tuple(text.splitlines()), colour=False)
    return [line[:_TAIL_WIDTH] for line in lines if line.strip()][-_TAIL_LINES:]


def _outcome(event: ReleaseRecorded | DeploymentRecorded | PagesKept) -> str:
    """What would now be on a server."""
    match event:
        case ReleaseRecorded():
            return f"Release {event.tag_name} of {event.job}: recorded, not published"
        case PagesKept():
            return f"Site of {event.job}: {event.path}"
        case DeploymentRecorded(action="stop"):
            return f"Environment {event.environment}: stopped by {event.job}"
        case DeploymentRecorded():
            at = f" at {event.url}" if event.url else ""
            stop = f"; {event.on_stop} stops it" if event.on_stop else ""
            return f"Environment {event.environment}: deployed by {event.job}{at}{stop}"


def _row(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(map(pad, cells, widths)).rstrip()


def _names(names: Iterable[str]) -> str:
    return ", ".join(printable(name) for name in names)


def _arguments(names: Iterable[str]) -> str:
    from shlex import quote

    return " ".join(quote(printable(name)) for name in names)
