"""The parser of the whole command line, and the one boundary that turns errors into words.

Nothing heavy is imported before a command is known: `homeport --version` costs little more than
argparse (tests/unit/cli/test_startup.py pins the modules).
"""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from homeport import __version__
from homeport.cli.options import Formatter

EPILOG = """\
examples:
  homeport run                    run the whole pipeline, here, now
  homeport run build 'test:*'     run some jobs
  homeport run deploy --needs     a job and all that it needs
  homeport last                   what became of the last run
  homeport logs build             the log of a job
  homeport list --all             every job, also those left out, and why
  homeport explain deploy         which rule matched, with which values
  homeport lint                   all problems at once, in GitLab's words
  homeport mirror serve           a registry and mirror of public registries
  homeport enroll apply           container engines here use the mirror

exit status: 0 done, 1 the pipeline failed, 2 wrong usage or a broken file,
3 the environment lacks something, 130 interrupted
"""

COMMANDS = (
    "run",
    "last",
    "logs",
    "rerun",
    "watch",
    "shell",
    "list",
    "lint",
    "render",
    "explain",
    "diff",
    "update",
    "gitlab-ci-local",
    "jwks",
    "cache",
    "clean",
    "mirror",
    "enroll",
    "doctor",
    "completion",
)


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser with every command, or with `command` alone, which starts sooner."""
    parser = argparse.ArgumentParser(
        prog="homeport",
        description="Run GitLab CI pipelines on your own machine.",
        epilog=EPILOG,
        formatter_class=Formatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    # With prog given argparse need not format a usage line to find it.
    commands = parser.add_subparsers(
        prog="homeport", dest="command", metavar="COMMAND", required=True
    )
    for name in (command,) if command else COMMANDS:
        module_name = "list_" if name == "list" else name.replace("-", "_")
        module = import_module(f"homeport.cli.{module_name}")
        module.add_command(commands)
    return parser


def _command_in(argv: Sequence[str]) -> str | None:
    """The command, where the arguments begin with one."""
    return argv[0] if argv and argv[0] in COMMANDS else None


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit status."""
    # A command lives shortly and its values form no cycles: looking for some costs a quarter of it.
    gc.disable()
    try:
        return _main(argv)
    finally:
        # Python's own last look for cycles, at exit, takes as long where there is much to look at.
        gc.freeze()


def _main(argv: Sequence[str] | None) -> int:
    _open_missing_streams()
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["--version"]:
        # Before any command's options are built, which nobody wants to wait for here.
        print(f"homeport {__version__}")
        return 0
    try:
        args = build_parser(_command_in(argv)).parse_args(argv)
    except BrokenPipeError:
        return _reader_left()
    try:
        status = args.main(args)
        sys.stdout.flush()
        return int(status)
    except KeyboardInterrupt:
        print("homeport: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return _reader_left()
    except Exception as error:  # noqa: BLE001 - the boundary: nothing passes it as a traceback
        return _report(error)


def _open_missing_streams() -> None:
    """Where a stream was closed, the first file that we open would take its number, and with it
    what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    if not sys.stdout:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if not sys.stderr:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def _reader_left() -> int:
    """Whoever read our output has gone: leave without a word, as other filters do."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _output_refuses() -> bool:
    """Whether the output takes nothing any more; what it still has to get is then given up."""
    try:
        sys.stdout.flush()
    except OSError:
        _reader_left()
        return True
    return False


def _report(error: Exception) -> int:
    from homeport.cli.output import print_problems
    from homeport.errors import ExitCode, HomeportError, MissingError

    if isinstance(error, OSError) and _output_refuses():
        error = MissingError.of(f"cannot write the output: {error.strerror}", code="output")
    if isinstance(error, HomeportError):
        print_problems(error.problems)
        return int(error.exit_code)
    if os.environ.get("HOMEPORT_DEBUG"):
        raise error
    print(
        f"homeport: internal error: {type(error).__name__}: {error}\n"
        "  this is a defect of homeport; HOMEPORT_DEBUG=1 shows where it happened",
        file=sys.stderr,
    )
    return int(ExitCode.DEFECT)
