"""`homeport shell JOB`: a shell in a job's container or folder, before its script."""

import argparse
import sys
from contextlib import suppress

from homeport.cli.options import Commands, add_job_argument, add_parser, add_source_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.pipeline.flow import Evaluation
    from homeport.pipeline.model.event import Event

EXAMPLES = """\
  homeport shell test                      where test would run, with its variables
  homeport shell test --variable DEBUG=1
  homeport run test --shell-on-failure     where test has failed
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "shell",
        main,
        summary="Open a shell in a job's container or folder, before its script.",
        examples=EXAMPLES,
        arguments="[OPTION...] JOB",
    )
    add_job_argument(parser, nargs=None, text="the job")
    parser.add_argument(
        "--executor",
        choices=("auto", "shell", "container"),
        help="where the job runs (default: auto; a job with an image in a container)",
    )
    parser.add_argument("--default-image", metavar="IMAGE", help="for a job that names no image")
    add_source_options(parser)


def need_terminal(what: str, *, also: str | None = None) -> None:
    """Raise `UsageError` where nobody can type."""
    from homeport.errors import UsageError

    if sys.stdin.isatty() and sys.stdout.isatty() and not also:
        return
    raise UsageError.of(
        f"{what} needs a terminal",
        code="no-terminal",
        hint=also or "its input and output must be one: no pipe, no file, no CI job",
    )


def main(args: argparse.Namespace) -> int:
    from homeport.cli.output import has_errors, print_problems
    from homeport.cli.source import evaluate_for, worth_saying
    from homeport.errors import HomeportError, UsageError
    from homeport.pipeline.plan.selection import select_jobs

    need_terminal("homeport shell")
    evaluation = evaluate_for(args)
    if has_errors(evaluation.pipeline.problems):
        raise HomeportError(evaluation.pipeline.problems)
    print_problems(worth_saying(evaluation.pipeline, strict=args.strict))
    jobs = select_jobs(evaluation.pipeline, [args.job], needs=False).jobs
    if len(jobs) != 1:
        names = ", ".join(job.name for job in jobs[:10])
        raise UsageError.of(
            f"{args.job} is more than one job", code="several-jobs", hint=f"one of {names}"
        )
    return _open(evaluation, jobs[0].name)


def _open(evaluation: "Evaluation", job: str) -> int:
    from homeport.cli.output import printable
    from homeport.cli.run import stop_on_signals
    from homeport.errors import ExitCode
    from homeport.pipeline.execute.interactive import Interactive
    from homeport.pipeline.model.event import JobFinished, JobNote, Status
    from homeport.pipeline.run import RunOptions, run_pipeline

    said: list[str] = []

    def tell(event: "Event") -> None:
        if isinstance(event, JobNote):
            say(event.message)
        elif isinstance(event, JobFinished) and event.status is not Status.SUCCESS:
            said.append(event.reason or event.status.value)

    stop = stop_on_signals()
    options = RunOptions(jobs=(job,), now=True, interactive=Interactive(say, before=True))
    finished = run_pipeline(evaluation, options, tell, stop)
    for words in said:
        print(f"homeport: {printable(job)}: {printable(words)}", file=sys.stderr)
    if stop.reason is not None:
        return ExitCode.INTERRUPTED
    return ExitCode.OK if finished.status is Status.SUCCESS else ExitCode.FAILED


def say(message: str) -> None:
    from homeport.cli.output import printable

    with suppress(OSError):  # the terminal has hung up: the shell in it ends, too
        print(f"homeport: {printable(message)}", file=sys.stderr, flush=True)
