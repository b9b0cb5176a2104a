"""The files and sentences about a run that is over: `--junit`, `--html`, and what tests came to."""

import argparse
import os
import sys

from homeport.cli.options import add_file_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from homeport.pipeline.execute.history import Past
    from homeport.pipeline.report.junit import JobTests
    from homeport.pipeline.report.told import ToldRun

_SHOWN_TESTS = 10


def add_report_options(parser: "argparse._ActionsContainer") -> None:
    add_file_option(
        parser,
        "--junit",
        metavar="FILE",
        text="write a JUnit file: a case for each job, then the tests of the jobs' own reports",
    )
    add_file_option(
        parser, "--html", metavar="FILE", text="write a page with graph, timeline and logs"
    )


def check_report_files(args: argparse.Namespace) -> None:
    """Refuse a file that could not be written before a run of hours, not after it."""
    from homeport.errors import UsageError

    for option, name in (("--junit", args.junit), ("--html", args.html)):
        if name is None:
            continue
        folder = os.path.dirname(name) or "."  # noqa: PTH120 - no pathlib before it is needed
        if not os.path.isdir(folder) or os.path.isdir(name) or not os.access(folder, os.W_OK):  # noqa: PTH112
            raise UsageError.of(
                f"{option} {name} is no file that could be written", code="no-folder"
            )


def report_on(past: "Past", args: argparse.Namespace, *, quiet: bool) -> None:
    """Write what was asked for, and say what the jobs' tests came to unless `quiet`. Raises
    `MissingError` for a file that cannot be written."""
    from homeport.pipeline.report.junit import merged, read_tests

    run = told(past)
    told_of = any(job.reports or job.others for job in run.jobs)
    if not (args.junit or args.html) and (quiet or not told_of):
        return
    tests = [read_tests(job) for job in run.jobs if job.reports]
    if not quiet:
        _print_tests(tests)
        _print_others(run)
    if args.junit:
        _write(args.junit, (merged(run, tests),))
    if args.html:
        from homeport.pipeline.report.page import page

        _write(args.html, (piece.encode("utf-8", "replace") for piece in page(run, tests)))


def told(past: "Past") -> "ToldRun":
    """A stored run as the reports want it."""
    from homeport.pipeline.model.event import (
        ChildStarted,
        JobFinished,
        JobStarted,
        RunFinished,
        Status,
    )
    from homeport.pipeline.report.told import ToldJob, ToldRun

    first: dict[str, JobStarted] = {}
    last: dict[str, JobStarted] = {}
    for start in past.starts():
        first.setdefault(start.job, start)
        last[start.job] = start
    needs = {job.name: job.needs for job in past.planned.jobs}
    stages = dict.fromkeys(past.planned.stages)
    # The jobs of a child pipeline come after their trigger job, at any depth.
    order = {job.name: (number,) for number, job in enumerate(past.planned.jobs)}
    made_by: dict[str, str] = {}
    jobs = []
    duration = 0.0
    for event in past.whole():
        duration = max(duration, event.time)
        if isinstance(event, RunFinished):
            duration = event.time
        if isinstance(event, ChildStarted):
            above = order.get(event.job, ())
            order |= {name: (*above, number) for number, name in enumerate(event.jobs)}
            made_by |= dict.fromkeys(event.jobs, event.job)
        if not isinstance(event, JobFinished):
            continue
        started, results = last.get(event.job), past.results.get(event.job, ())
        stages.setdefault(event.stage)
        jobs.append(
            ToldJob(
                name=event.job,
                stage=event.stage,
                made_by=made_by.get(event.job),
                status=event.status,
                needs=needs.get(event.job),
                allowed=event.allowed,
                attempts=started.attempt if started else 0,
                started=first[event.job].time if started else None,
                finished=event.time,
                runs=started.runs if started else None,
                image=started.image if started else None,
                reason=event.reason,
                exit_code=event.exit_code,
                coverage=event.coverage,
                phases=results[-1].phases if results else {},
                log=past.log_path(event.job),
                reports=past.junit_reports(event.job),
                others=past.other_reports(event.job),
            )
        )
    jobs.sort(key=lambda job: order.get(job.name, (len(order),)))
    finished = past.finished
    status = finished.status if finished else Status.RUNNING if past.live else None
    return ToldRun(
        id=past.id,
        at=past.summary.at,
        root=past.summary.root,
        ref=past.summary.ref,
        sha=past.summary.sha,
        status=status,
        duration=duration,
        stages=tuple(stages),
        jobs=tuple(jobs),
    )


def _print_tests(tests: "Sequence[JobTests]") -> None:
    from homeport.cli.output import paint, printable, wants_colour

    colour = wants_colour(sys.stdout)
    for job in tests:
        bad = job.count("failure", "error")
        words = f"{job.count('passed')} passed, {bad} failed, {job.count('skipped')} skipped"
        print(f"Tests of {printable(job.job)}: {paint(words, 'error', on=colour and bool(bad))}")
        failed = [test for test in job.tests if test.outcome in ("failure", "error")]
        for test in failed[:_SHOWN_TESTS]:
            name = f"{test.classname}: {test.name}" if test.classname else test.name
            message = test.message.strip().partition("\n")[0]
            print(f"  {printable(name)}" + (f": {printable(message)}" if message else ""))
        if len(failed) > _SHOWN_TESTS:
            print(f"  and {len(failed) - _SHOWN_TESTS} more")
        for fault in job.faults:
            print(f"homeport: {printable(fault)}", file=sys.stderr)


def _print_others(run: "ToldRun") -> None:
    from homeport.cli.output import printable
    from homeport.pipeline.report.other_reports import sentences

    for job in run.jobs:
        for sentence in sentences(job):
            print(printable(sentence))


def _write(name: str, pieces: "Iterable[bytes]") -> None:
    """A file is there whole or not at all; a pipe or a device is written to."""
    from pathlib import Path

    from homeport.errors import MissingError

    path = Path(name)
    try:
        if path.exists() and not path.is_file():
            _write_into(path, pieces)
        else:
            partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
            try:
                _write_into(partial, pieces)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise MissingError.of(f"cannot write {name}: {error.strerror}", code="report") from error


def _write_into(path: "Path", pieces: "Iterable[bytes]") -> None:
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
