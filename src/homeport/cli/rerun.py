"""`homeport rerun`: go on with the last run where it failed, with the artifacts that it left."""

import argparse
import sys

from homeport.cli.options import Commands, add_job_argument, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.pipeline.execute.history import Past
    from homeport.pipeline.model.event import ChildFinished

EXAMPLES = """\
  homeport rerun               what failed in the last run, and what was skipped for it
  homeport rerun --failed      what failed alone
  homeport rerun test          this job again, with the artifacts that are there
"""


def add_command(commands: Commands) -> None:
    from homeport.cli.run_options import add_run_options

    parser = add_parser(
        commands,
        "rerun",
        main,
        summary="Go on with the last run: run again what has not succeeded.",
        examples=EXAMPLES,
        arguments="[OPTION...] [JOB...]",
    )
    add_job_argument(
        parser,
        nargs="*",
        text="a job, a parallel group or a glob (default: all that did not succeed)",
    )
    parser.add_argument(
        "--failed", action="store_true", help="what failed alone, not what was skipped for it"
    )
    add_run_options(parser)


def main(args: argparse.Namespace) -> int:
    from homeport.cli import run
    from homeport.cli.past import state_for
    from homeport.errors import ExitCode, UsageError
    from homeport.pipeline.execute.history import find_past

    past = find_past(state_for(args).folder)
    if past.live:
        raise UsageError.of(
            f"run {past.id} is still going on", code="live-run", hint="wait for it, or stop it"
        )
    if args.job and args.failed:
        raise UsageError.of("--failed chooses the jobs: name none", code="failed-and-jobs")
    if not args.job:
        args.job = unfinished(past, failed=args.failed)
        if not args.job:
            print(f"homeport: nothing of run {past.id} is left to run", file=sys.stderr)
            return ExitCode.OK
    return run.main(args)


def unfinished(past: "Past", *, failed: bool) -> list[str]:
    """The jobs of a run that did not succeed, in their order; manual ones that nobody started, and
    what waits for these, are not among them. A run that was killed has jobs without any end."""
    from homeport.pipeline.model.event import Status

    ends = {job.job: job.status for job in past.ends()}
    wanted = {Status.FAILED, Status.CANCELED}
    if not failed:
        wanted.add(Status.SKIPPED)
    default = Status.CANCELED if past.finished is None else Status.SUCCESS
    started = {start.job for start in past.starts()}
    below = _unfinished_children(past)
    return [
        job.name
        for job in past.planned.jobs
        if (ends.get(job.name, default) in wanted and (job.name in started or not job.manual))
        or job.name in below
    ]


def _unfinished_children(past: "Past") -> set[str]:
    """The trigger jobs that did not wait for their pipelines, which did not succeed, or whose own
    trigger jobs are such. What they made is made anew: no job of it is run alone."""
    from homeport.pipeline.model.event import ChildFinished, ChildStarted

    made = {event.job for event in past.events if isinstance(event, ChildStarted)}
    bad = set(made)
    for event in past.events:
        # An awaited pipeline's trigger job has failed itself, and may be allowed to.
        if isinstance(event, ChildFinished) and (event.awaited or not _went_wrong(event)):
            bad.discard(event.job)
    tops = [job.name for job in past.planned.jobs if job.name in made]
    return {top for top in tops if any(f"{name}:".startswith(f"{top}:") for name in bad)}


def _went_wrong(child: "ChildFinished") -> bool:
    from homeport.pipeline.model.event import Status

    return bool(child.failed) or child.status in (Status.FAILED, Status.CANCELED)
