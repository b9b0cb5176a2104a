"""Arguments that several commands share."""

import argparse
import os
import sys
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001
else:
    Commands = object


class Formatter(argparse.RawDescriptionHelpFormatter):
    """argparse's own, which asks shutil for the width and so imports five compression libraries,
    once for every argument that is added."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns())


def _columns() -> int:
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdigit() and int(wanted):
        return int(wanted) - 2
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns - 2
    except (OSError, ValueError):
        return 78


def add_parser(
    commands: Commands,
    name: str,
    main: Callable[[argparse.Namespace], int],
    *,
    summary: str,
    examples: str,
    arguments: str = "[OPTION...]",
    group: str = "",
) -> argparse.ArgumentParser:
    """A command's parser with a summary, examples and its entry point. `arguments` is its usage in
    short: all options in one line would be a dozen lines above every error. `group` is the command
    that it belongs to (`mirror`)."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary[0].lower() + summary[1:].rstrip("."),
        description=summary,
        epilog=f"examples:\n{examples}",
        formatter_class=Formatter,
        usage=" ".join(filter(None, ("homeport", group, name, arguments))),
    )
    parser.set_defaults(main=main)
    return parser


def add_group(
    commands: Commands, name: str, *, summary: str, examples: str, group: str = ""
) -> Commands:
    """A command that only holds others; what they are added to."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary[0].lower() + summary[1:].rstrip("."),
        description=summary,
        epilog=f"examples:\n{examples}",
        formatter_class=Formatter,
    )
    prog = " ".join(filter(None, ("homeport", group, name)))
    return parser.add_subparsers(
        prog=prog, dest=f"{name}_command", metavar="COMMAND", required=True
    )


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Where the pipeline comes from, and what it is evaluated with."""
    from homeport.cli.simulation import add_simulation_options

    group = parser.add_argument_group("the pipeline")
    directory = group.add_argument(
        "-C",
        "--directory",
        metavar="DIR",
        default=".",
        help="the repository, or a folder in it (default: the current folder)",
    )
    file = group.add_argument(
        "-f",
        "--file",
        metavar="FILE",
        help="the CI file, relative to the repository's root or the current folder "
        "(default: .gitlab-ci.yml)",
    )
    _complete(directory, bash="_shtab_compgen_dirs", zsh="_files -/")
    _complete(file, bash="_shtab_compgen_files", zsh="_files")
    group.add_argument(
        "--variable",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="set a variable, over those of the file; may be repeated",
    )
    group.add_argument(
        "--input",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="the value of an input of the CI file (spec:inputs; an array as JSON); may be "
        "repeated",
    )
    group.add_argument(
        "--offline",
        "--no-fetch",
        action="store_true",
        help="touch no network: includes from the cache and homeport.lock, images that are here; "
        "what is missing is named",
    )
    group.add_argument(
        "--lock",
        action="store_true",
        help="add what is included from elsewhere to homeport.lock",
    )
    group.add_argument(
        "--remote-variables",
        dest="variables_from",
        action="store_const",
        const="gitlab",
        help="add the project's and its groups' CI/CD variables, read from the GitLab server",
    )
    group.add_argument(
        "--strict",
        action="store_true",
        help="an include that cannot be reached is an error, not a note",
    )
    add_simulation_options(parser)


def add_file_option(
    parser: "argparse._ActionsContainer",
    name: str | tuple[str, ...],
    *,
    metavar: str,
    text: str,
    default: str | None = None,
) -> None:
    """An option with a path that the shell completes."""
    names = (name,) if isinstance(name, str) else name
    action = parser.add_argument(*names, metavar=metavar, help=text, default=default)
    if metavar == "DIR":
        _complete(action, bash="_shtab_compgen_dirs", zsh="_files -/")
    else:
        _complete(action, bash="_shtab_compgen_files", zsh="_files")


def add_json_option(parser: "argparse._ActionsContainer", what: str) -> None:
    parser.add_argument("--json", action="store_true", help=f"print {what} as JSON")


def add_job_argument(parser: argparse.ArgumentParser, *, nargs: str | None, text: str) -> None:
    """A job name that the shell completes."""
    action = parser.add_argument("job", metavar="JOB", nargs=nargs, help=text)
    _complete(action, bash="_homeport_jobs", zsh="_homeport_jobs")


def _complete(action: argparse.Action, *, bash: str, zsh: str) -> None:
    """Have the value completed by these functions, as shtab wants to be told."""
    action.complete = {"bash": bash, "zsh": zsh}  # type: ignore[attr-defined]
