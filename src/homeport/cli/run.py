"""`homeport run`: run the pipeline, or some of its jobs, on this machine."""

import argparse
import gc
import os
import sys

from homeport.cli.options import Commands, add_job_argument, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from homeport.errors import ExitCode, Problem
    from homeport.pipeline.execute.api import Stop
    from homeport.pipeline.execute.interactive import Interactive
    from homeport.pipeline.flow import Evaluation
    from homeport.pipeline.model.event import Event, RunFinished
    from homeport.pipeline.report.console import Console
    from homeport.pipeline.report.jsonl import JsonLines
    from homeport.pipeline.run import RunOptions

EXAMPLES = """\
  homeport run                            the whole pipeline
  homeport run test                       one job; artifacts come from earlier runs
  homeport run 'test:*' --needs           some jobs and all that they need
  homeport run deploy                     a manual job starts when it is named
  homeport run --executor shell           jobs with an image on the host's shell too
  homeport run --json | jq -c 'select(.event == "job_finished")'
"""

_LAST_SECONDS = 1.5
"""For what is left to do after a second Ctrl-C."""
_GAVE_UP = b"homeport: ended before all was removed; the next run does so, or homeport clean\n"


def add_command(commands: Commands) -> None:
    from homeport.cli.run_options import add_run_options

    parser = add_parser(
        commands,
        "run",
        main,
        summary="Run the pipeline, or some of its jobs, on this machine.",
        examples=EXAMPLES,
        arguments="[OPTION...] [JOB...]",
    )
    add_job_argument(
        parser,
        nargs="*",
        text="a job, a parallel group or a glob (default: the whole pipeline)",
    )
    parser.add_argument(
        "--shell-on-failure",
        action="store_true",
        help="open a shell in the place of each job whose script fails; needs a terminal",
    )
    parser.add_argument(
        "--artifacts-to-source",
        action="store_true",
        help="copy what the jobs leave as artifacts into the working tree at the end",
    )
    add_run_options(parser)


def main(args: argparse.Namespace) -> int:
    from homeport.cli.source import evaluate_for

    if getattr(args, "shell_on_failure", False):
        from homeport.cli.shell import need_terminal

        need_terminal(
            "--shell-on-failure", also="--json prints events on it" if args.json else None
        )
    if args.junit or args.html:
        from homeport.cli.report_files import check_report_files

        check_report_files(args)
    evaluation = evaluate_for(args)
    status = checked(evaluation, args)
    if status is not None:
        return status
    # What was made so far stays to the end; a run may take hours, so look for cycles again.
    gc.freeze()
    gc.enable()
    stop = stop_on_signals()
    ended: list[str] = []

    def hear(event: "Event") -> None:
        from homeport.pipeline.model.event import JobFinished

        if isinstance(event, JobFinished):
            ended.append(event.job)

    to_source = getattr(args, "artifacts_to_source", False)
    finished = run_jobs(evaluation, args, stop, hear=hear if to_source else None)
    if to_source:
        from homeport.cli.to_source import tell_artifacts

        tell_artifacts(evaluation, finished.run, ended)
    return _status(finished, stop, args)


def checked(evaluation: "Evaluation", args: argparse.Namespace) -> int | None:
    """Say what is to be known before a run; a status where there will be none. Raises with the
    errors of the pipeline."""
    from homeport.cli.output import has_errors, print_problems
    from homeport.cli.source import worth_saying
    from homeport.errors import HomeportError
    from homeport.pipeline.model.pipeline import Verdict

    pipeline = evaluation.pipeline
    if pipeline.workflow.verdict is Verdict.OUT:
        print_problems(pipeline.problems)
        return _filtered(args)
    if has_errors(pipeline.problems):
        raise HomeportError(pipeline.problems)
    print_problems(
        (
            *worth_saying(pipeline, strict=args.strict),
            *_without_effect(evaluation, args),
            *_uncommitted(evaluation),
        )
    )
    if pipeline.missing and (args.strict or not args.job):
        return _refuse(args)
    return None


def _uncommitted(evaluation: "Evaluation") -> "tuple[Problem, ...]":
    """A push would not see what is not committed; a local run does, and says so."""
    from homeport.errors import Problem, Severity

    trigger = evaluation.trigger
    counts = ((trigger.uncommitted, "uncommitted"), (trigger.untracked, "untracked"))
    words = " and ".join(f"{count} {word}" for count, word in counts if count)
    if not words:
        return ()
    last = trigger.untracked or trigger.uncommitted
    words += " change" if last == 1 else " changes"
    message = f"the working tree is run as it is, with {words} that a push would not have"
    return (Problem(code="uncommitted", severity=Severity.NOTE, message=message),)


def _without_effect(evaluation: "Evaluation", args: argparse.Namespace) -> "tuple[Problem, ...]":
    """What the jobs ask for that nothing here does; once, and only of the jobs that are run."""
    from homeport.errors import UsageError
    from homeport.pipeline.plan.effects import without_effect
    from homeport.pipeline.plan.selection import select_jobs

    pipeline = evaluation.pipeline
    jobs = pipeline.jobs
    if args.job:
        try:
            jobs = select_jobs(pipeline, args.job, needs=args.needs).jobs
        except UsageError:
            return ()  # the run itself says so
    note = without_effect(jobs, pipeline.auto_cancel)
    return () if note is None else (note,)


def _filtered(args: argparse.Namespace) -> "ExitCode":
    """No pipeline is a fine result, unless jobs were asked for by name: they have not run."""
    from homeport.errors import ExitCode, Problem, UsageError

    if not args.job:
        return ExitCode.OK
    from shlex import quote

    names = ", ".join(args.job)
    raise UsageError(
        [
            Problem(
                code="job-left-out",
                message=f"there is no pipeline that {names} could run in",
                hint=f"homeport explain {quote(args.job[0])} shows each condition with its values",
            )
        ]
    )


def _refuse(args: argparse.Namespace) -> int:
    """A pipeline of which parts are unknown is not run as if it were whole."""
    from homeport.errors import ExitCode

    if args.strict:
        return ExitCode.USAGE
    print(
        "homeport: the pipeline is not run, since some of its includes could not be read;\n"
        "  name jobs to run those that are known: homeport run JOB...",
        file=sys.stderr,
    )
    return ExitCode.ENVIRONMENT


def run_jobs(
    evaluation: "Evaluation",
    args: argparse.Namespace,
    stop: "Stop",
    *,
    only: frozenset[str] | None = None,
    hear: "Callable[[Event], None] | None" = None,
) -> "RunFinished":
    """Run what the arguments ask for, of the jobs `only`, and report it; `hear` gets every event,
    too."""
    from msgspec import structs

    from homeport.cli.output import wants_colour
    from homeport.pipeline.run import RunOptions, run_pipeline

    colour = wants_colour(sys.stdout) and not args.json
    options = RunOptions(
        jobs=(*args.job, *args.manual) if args.job else (),
        needs=args.needs,
        now=args.now,
        play=tuple(args.manual),
        only=only,
        colour=colour,
    )
    with _report(args, colour=colour) as report:
        options = _asking(options, evaluation, report, stop, args)
        if getattr(args, "shell_on_failure", False):
            options = structs.replace(options, interactive=_shells(report))

        def emit(event: "Event") -> None:
            if hear is not None:
                hear(event)
            report(event)

        finished = run_pipeline(evaluation, options, report if hear is None else emit, stop)
    _tell_more(evaluation, finished.run, args)
    return finished


def _asking(
    options: "RunOptions",
    evaluation: "Evaluation",
    report: "JsonLines | Console",
    stop: "Stop",
    args: argparse.Namespace,
) -> "RunOptions":
    """With a question for the manual jobs that block a pipeline, where somebody can answer it."""
    from homeport.pipeline.model.config import When

    if args.json or all(job.when is not When.MANUAL for job in evaluation.pipeline.jobs):
        return options
    from msgspec import structs

    from homeport.cli.prompt import ManualJobs, can_ask
    from homeport.pipeline.report.console import Console

    if not isinstance(report, Console) or not can_ask(args):
        return options
    return structs.replace(options, ask=ManualJobs(evaluation, report, stop))


def _shells(report: "JsonLines | Console") -> "Interactive":
    from homeport.cli.shell import say
    from homeport.pipeline.execute.interactive import Interactive
    from homeport.pipeline.report.console import Console

    def tell(message: str) -> None:
        if isinstance(report, Console):
            report.flush()
        say(message)

    return Interactive(tell, before=False)


def _tell_more(evaluation: "Evaluation", run: str, args: argparse.Namespace) -> None:
    """The report files, and what the jobs' own tests came to."""
    from homeport.pipeline.execute.state import State

    request = evaluation.request
    state = State.open(request.root, request.env, kept_runs=0, kept_bytes=0)
    folder = state.folder / "runs" / run
    if args.junit or args.html or any((folder / "reports").glob("*/*/")):
        from homeport.cli.report_files import report_on
        from homeport.pipeline.execute.history import find_past

        report_on(find_past(state.folder, run), args, quiet=args.json)


def _report(args: argparse.Namespace, *, colour: bool) -> "JsonLines | Console":
    if args.json:
        from homeport.pipeline.report.jsonl import JsonLines

        return JsonLines(sys.stdout.buffer)
    from homeport.pipeline.report.console import Console

    return Console(sys.stdout, colour=colour, quiet=args.quiet)


def stop_on_signals() -> "Stop":
    """A request to stop that the first Ctrl-C, SIGTERM or SIGHUP makes; the second one makes it
    urgent, and ends this process if what is left to do takes long."""
    import signal

    from homeport.errors import ExitCode
    from homeport.pipeline.execute.api import Stop

    stop = Stop()

    def give_up(_number: int, _frame: object) -> None:
        os.write(2, _GAVE_UP)  # past every buffer and lock: somebody may hold them
        os._exit(ExitCode.INTERRUPTED)

    def ask(number: int, _frame: object) -> None:
        word = "interrupted" if number == signal.SIGINT else "terminated"
        if stop.killed or (stop.reason is None and not stop.is_watched):
            raise KeyboardInterrupt
        if stop.reason is None:
            stop.request(word)
            return
        # Not a thread: one cannot be started safely in a signal handler.
        signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, _LAST_SECONDS)
        stop.kill(word)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and a shell's & leave it
            signal.signal(number, ask)
    return stop


def _status(finished: "RunFinished", stop: "Stop", args: argparse.Namespace) -> "ExitCode":
    """docs/reference/exit-status.md"""
    from homeport.errors import ExitCode
    from homeport.pipeline.model.event import Status

    if stop.reason is not None and finished.status in (Status.CANCELED, Status.MANUAL):
        return ExitCode.INTERRUPTED
    if finished.failed or (finished.failed_children and args.fail_on_child):
        return ExitCode.FAILED
    match finished.status:
        case Status.SUCCESS | Status.SKIPPED:
            return ExitCode.OK
        case Status.MANUAL | Status.RUNNING:
            return ExitCode.FAILED if args.fail_on_blocked else ExitCode.OK
        case _:
            return ExitCode.FAILED
