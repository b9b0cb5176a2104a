"""`homeport logs JOB`: the stored log of a job."""

import argparse
import sys

from homeport.cli.options import Commands, add_job_argument, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from homeport.pipeline.execute.history import Past
    from homeport.pipeline.execute.state import State

EXAMPLES = """\
  homeport logs test                the log of the last run that has one
  homeport logs test --attempt 1    that of the attempt before a retry
  homeport logs test --run 0y3k9f2a | less -R
"""
_BLOCK = 1 << 20


def add_command(commands: Commands) -> None:
    from homeport.cli.past import add_directory_option

    parser = add_parser(
        commands,
        "logs",
        main,
        summary="Print the stored log of a job.",
        examples=EXAMPLES,
        arguments="[OPTION...] JOB",
    )
    add_job_argument(parser, nargs=None, text="a job of a run")
    parser.add_argument("--run", metavar="ID", help="of this run (default: the last with a log)")
    parser.add_argument(
        "--attempt", type=int, metavar="N", help="of this attempt (default: the last one)"
    )
    add_directory_option(parser)


def main(args: argparse.Namespace) -> int:
    from homeport.cli.past import state_for
    from homeport.errors import ExitCode

    past, path = _find(state_for(args), args)
    if args.run is None:
        print(f"homeport: run {past.id}: {path}", file=sys.stderr)
    if sys.stdout.isatty():
        _show(path)
    else:
        _copy(path)
    return ExitCode.OK


def _find(state: "State", args: argparse.Namespace) -> "tuple[Past, Path]":
    from homeport.errors import UsageError
    from homeport.pipeline.execute.history import find_past, pasts

    last = find_past(state.folder, args.run)
    for past in (last,) if args.run is not None else pasts(state.folder):
        path = past.log_path(args.job, args.attempt)
        if path is not None:
            return past, path
    ended = next((job for job in last.ends() if job.job == args.job), None)
    if ended is not None:
        why = f"it is {ended.status.value} in run {last.id}"
        why += f": {ended.reason}" if ended.reason else ""
    else:
        why = f"run {last.id} has not run it"
    names = [job.name for job in last.planned.jobs if last.log_path(job.name)]
    raise UsageError.of(
        f"there is no log of {args.job}"
        + (f", attempt {args.attempt}" if args.attempt is not None else "")
        + f": {why}",
        code="no-log",
        hint=f"run {last.id} has logs of: {', '.join(names[:20])}" if names else None,
    )


def _show(path: "Path") -> None:
    """On a terminal: colours alone, nothing that moves the cursor or sets a title."""
    from homeport.cli.output import wants_colour
    from homeport.pipeline.report.text import shown_lines

    colour = wants_colour(sys.stdout)
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            for shown in shown_lines((line.rstrip("\r\n"),), colour=colour):
                sys.stdout.write(f"{shown}\n")


def _copy(path: "Path") -> None:
    """Elsewhere: the very bytes."""
    sys.stdout.flush()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()
