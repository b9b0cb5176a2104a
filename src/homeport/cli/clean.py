"""`homeport clean`: remove all that homeport ever made on this machine for this user."""

import argparse
import os
import sys

from homeport.cli.options import Commands, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from homeport.errors import ExitCode
    from homeport.pipeline.execute.clean import Cleaning, Removed

EXAMPLES = """\
  homeport clean --dry-run     what would be removed
  homeport clean               remove it: runs, caches, what killed runs left
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "clean",
        main,
        summary="Remove all that homeport made on this machine for you, but for live runs.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="remove nothing, print what would be"
    )


def main(args: argparse.Namespace) -> int:
    from homeport.pipeline.execute.clean import Cleaning
    from homeport.pipeline.execute.state import cache_base, state_base

    state = state_base(os.environ)
    cleaning = Cleaning(state, cache_base(os.environ), dry=args.dry_run)
    status = _clean_engine(cleaning, state, dry=args.dry_run)
    _print(cleaning.state(), dry=args.dry_run)
    _print(cleaning.caches(), dry=args.dry_run)
    for folder in cleaning.kept:
        print(f"homeport: {folder} is of a run that is going on: kept", file=sys.stderr)
    return status


def _clean_engine(cleaning: "Cleaning", state: "Path", *, dry: bool) -> "ExitCode":
    """What is in the engine that a run would use. Without an engine there is nothing in it."""
    from homeport.cli.output import print_problems
    from homeport.engine.api import EngineError
    from homeport.engine.detect import Unavailable, candidates, detect
    from homeport.errors import ExitCode, Problem, Severity
    from homeport.settings.load import load_settings

    # No repository's settings say which engine is used: any folder without a file of them will do.
    named = load_settings(state, os.environ).engine
    engine = detect(os.environ, named)
    if isinstance(engine, Unavailable):
        if len(candidates(os.environ, named)) > 1:
            return ExitCode.OK  # nobody said that there is one
        problem = engine.error().problems[0]
        note = Problem(
            code="engine-not-cleaned",
            severity=Severity.WARNING,
            message=f"containers could not be looked for: {problem.message}",
            hint="the same command removes them once the engine answers",
        )
        print_problems([note])
        return ExitCode.ENVIRONMENT
    try:
        _print(cleaning.engine(engine, os.uname().nodename), dry=dry)
    except EngineError as error:
        print_problems(error.problems)
        return ExitCode.ENVIRONMENT
    finally:
        engine.close()
    return ExitCode.OK


def _print(removed: "Iterable[Removed]", *, dry: bool) -> None:
    from homeport.cli.output import printable
    from homeport.lib.units import format_bytes

    word = "would remove" if dry else "removed"
    for one in removed:
        size = "" if one.size is None else f"  ({format_bytes(one.size)})"
        print(f"{word} {one.kind}  {printable(one.name)}{size}")
