"""What runs were, read from what they left: for `homeport last`, `logs`, `rerun` and the reports.

`history.jsonl` of a run holds its plan as one line, then its events but for the jobs' output, which
is in the logs. It is written as things happen, so that also a run that was killed has one.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import Struct

from homeport.errors import UsageError
from homeport.pipeline.execute.api import JobResult
from homeport.pipeline.execute.state import Record, Summary, is_live, job_slug, run_ids
from homeport.pipeline.model.config import When
from homeport.pipeline.model.event import (
    Event,
    JobFinished,
    JobOutput,
    JobStarted,
    RunFinished,
    RunStarted,
    Status,
)
from homeport.pipeline.model.plan import Plan


class PlannedJob(Struct, frozen=True, kw_only=True):
    """A job as it was planned; `needs` is None where it waits for all earlier stages."""

    name: str
    stage: str
    needs: tuple[str, ...] | None = None
    manual: bool = False


class Planned(Struct, frozen=True, kw_only=True):
    """The plan of a run, without anything that could be a secret."""

    stages: tuple[str, ...] = ()
    jobs: tuple[PlannedJob, ...] = ()


class Past(Struct, frozen=True, kw_only=True):
    """A run of this machine: `live` while it goes on. `results` has all attempts of each job."""

    folder: Path
    summary: Summary
    live: bool
    planned: Planned
    events: tuple[Event, ...]
    results: Mapping[str, tuple[JobResult, ...]]

    @property
    def id(self) -> str:
        return self.summary.id

    def ends(self) -> Iterator[JobFinished]:
        """How each job ended that did, in the order of the events."""
        return (event for event in self.events if isinstance(event, JobFinished))

    def starts(self) -> Iterator[JobStarted]:
        return (event for event in self.events if isinstance(event, JobStarted))

    @property
    def finished(self) -> RunFinished | None:
        return next((event for event in self.events if isinstance(event, RunFinished)), None)

    def log_path(self, job: str, attempt: int | None = None) -> Path | None:
        """The log of an attempt, or of the last one; None if there is none."""
        if attempt is None:
            attempt = max((event.attempt for event in self.starts() if event.job == job), default=1)
        number = "" if attempt == 1 else f".{attempt}"
        path = self.folder / "logs" / f"{job_slug(job)}{number}.log"
        return path if path.is_file() else None

    def junit_reports(self, job: str) -> tuple[Path, ...]:
        """The regular files of a job's JUnit reports; a link could lead anywhere."""
        return _files(self.folder / "reports" / job_slug(job) / "junit")

    def other_reports(self, job: str) -> Mapping[str, tuple[Path, ...]]:
        """Likewise those of its reports that are neither tests nor variables, by type."""
        trees = sorted((self.folder / "reports" / job_slug(job)).glob("*/"))
        kinds = (tree for tree in trees if tree.is_dir() and tree.name not in ("junit", "dotenv"))
        return {tree.name: _files(tree) for tree in kinds}

    def whole(self) -> tuple[Event, ...]:
        """The events with an end: one that was killed, or goes on, gets it here."""
        if self.finished is not None or not self.events:
            return self.events
        ended = {event.job for event in self.ends()}
        status = Status.RUNNING if self.live else Status.CANCELED
        last = max(event.time for event in self.events)
        reason = None if self.live else "the run was killed"
        open_jobs = {event.job: event for event in self.starts() if event.job not in ended}
        made: list[Event] = [
            JobFinished(
                time=last,
                job=event.job,
                stage=event.stage,
                status=status,
                reason=reason,
                log=None if (log := self.log_path(event.job)) is None else str(log),
            )
            for event in open_jobs.values()
        ]
        made.append(RunFinished(time=last, run=self.id, status=status, at=""))
        return (*self.events, *made)


class Recorder:
    """Takes the events of a run on any thread. What the disk refuses is missing in the history,
    and nothing else: the run itself goes on."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self._file = -1
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        with suppress(OSError):
            self._file = os.open(path, flags, 0o600)
        self._write(
            Planned(
                stages=plan.stages,
                jobs=tuple(
                    PlannedJob(
                        name=job.name,
                        stage=job.stage,
                        needs=job.needs,
                        manual=job.when is When.MANUAL,
                    )
                    for job in plan.jobs
                ),
            )
        )

    def __call__(self, event: Event) -> None:
        if not isinstance(event, JobOutput):
            self._write(event)

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _write(self, line: Struct) -> None:
        if self._file < 0:
            return
        # One call for a line: threads do not mix, and O_APPEND keeps their order.
        with suppress(OSError, UnicodeEncodeError):
            os.write(self._file, msgspec.json.encode(line) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def find_past(folder: Path, run: str | None = None) -> Past:
    """A run of a state folder, by default the last one. Raises `UsageError` without it."""
    ids = run_ids(folder)
    if not ids:
        raise UsageError.of(
            "there is no run of this repository",
            code="no-run",
            hint="homeport run makes one",
        )
    if run is not None and run not in ids:
        raise UsageError.of(
            f"there is no run {run}",
            code="no-run",
            hint=f"those that are kept: {', '.join(reversed(ids[-10:]))}",
        )
    for name in (run,) if run is not None else reversed(ids):
        past = read_past(folder / "runs" / name)
        if past is not None:
            return past
    raise UsageError.of(f"run {run or ids[-1]} cannot be read", code="no-run")


def pasts(folder: Path) -> Iterator[Past]:
    """All runs of a state folder that can be read, the last one first."""
    for name in reversed(run_ids(folder)):
        past = read_past(folder / "runs" / name)
        if past is not None:
            yield past


def read_past(folder: Path) -> Past | None:
    """A run by its folder; None for what is none, or has just been removed."""
    live = is_live(str(folder))  # before its files: a run that ends meanwhile is read as live
    try:
        summary = msgspec.json.decode((folder / "run.json").read_bytes(), type=Summary)
    except (OSError, msgspec.DecodeError):
        return None
    planned, events = _read_history(folder / "history.jsonl")
    results: dict[str, tuple[JobResult, ...]] = {}
    for line in _lines(folder / "jobs.jsonl"):
        with suppress(msgspec.DecodeError):
            record = msgspec.json.decode(line, type=Record)
            results[record.job] = (*results.get(record.job, ()), record.result)
    return Past(
        folder=folder,
        summary=summary,
        live=live,
        planned=planned,
        events=events,
        results=results,
    )


def _read_history(path: Path) -> tuple[Planned, tuple[Event, ...]]:
    lines = _lines(path)
    planned = Planned()
    with suppress(msgspec.DecodeError):
        planned = msgspec.json.decode(next(lines, b""), type=Planned)
    events = []
    decoder = _decoder()
    for line in lines:
        with suppress(msgspec.DecodeError):  # the last one of a run that was killed may be cut
            events.append(decoder.decode(line))
    if events and not isinstance(events[0], RunStarted):
        events.sort(key=lambda event: not isinstance(event, RunStarted))
    return planned, tuple(events)


@cache
def _decoder() -> Any:
    kinds: Any = None
    for kind in Event.__subclasses__():
        kinds = kind if kinds is None else kinds | kind
    return msgspec.json.Decoder(kinds)


def _files(tree: Path) -> tuple[Path, ...]:
    found: list[Path] = []
    for here, _, names in os.walk(tree):
        paths = (Path(here, name) for name in names)
        found += (path for path in paths if path.is_file() and not path.is_symlink())
    return tuple(sorted(found))


def _lines(path: Path) -> Iterator[bytes]:
    try:
        content = path.read_bytes()
    except OSError:
        return iter(())
    return (line for line in content.split(b"\n") if line)
