"""`homeport gitlab-ci-local ARGS…`: the command line of gitlab-ci-local, onto homeport's own flow.

Which option does what, and where homeport differs, is in docs/reference/gitlab-ci-local.md.
"""

import argparse
import sys
from collections.abc import Sequence

from homeport.cli.gitlab_ci_local_options import LIST, OPTIONS, SWITCH, in_argparse_order
from homeport.cli.options import Commands, add_file_option, add_job_argument, add_parser

NAME = "gitlab-ci-local"

EXAMPLES = """\
  alias gitlab-ci-local='homeport gitlab-ci-local'
  homeport gitlab-ci-local                    the whole pipeline
  homeport gitlab-ci-local test --needs       a job and all that it needs
  homeport gitlab-ci-local --list-csv-all     all jobs, with those left out
"""

_LISTS = ("list", "list_all", "list_json", "list_csv", "list_csv_all")


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        NAME,
        main,
        summary="Understand the command line of gitlab-ci-local.",
        examples=EXAMPLES,
        arguments="[OPTION...] [JOB...]",
    )
    add_arguments(parser)
    parse = parser.parse_known_args

    def parse_known_args(  # type: ignore[no-untyped-def] # argparse's own overloads
        args: Sequence[str] | None = None, namespace=None
    ):
        # argparse wants all jobs in one place, and knows no `--switch=false`.
        found, unknown = parse(in_argparse_order(args or ()), namespace)
        if unknown:
            parser.error(_unknown(unknown[0]))
        return found, unknown

    parser.parse_known_args = parse_known_args  # type: ignore[assignment, method-assign]


def _unknown(word: str) -> str:
    from difflib import get_close_matches

    name = word.partition("=")[0]
    near = get_close_matches(name.removeprefix("--"), OPTIONS, n=2)
    hint = f"; did you mean --{' or --'.join(near)}?" if near else ""
    return f"{name} is no option of gitlab-ci-local{hint}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Every option and the jobs; all values are texts, None where nothing was given."""
    add_job_argument(parser, nargs="*", text="a job to run (default: the whole pipeline)")
    for name, (kind, text) in OPTIONS.items():
        dest = name.replace("-", "_")
        if kind == SWITCH:
            parser.add_argument(f"--{name}", action="store_const", const="true", help=text)
            parser.add_argument(
                f"--no-{name}",
                dest=dest,
                action="store_const",
                const="false",
                help=argparse.SUPPRESS,
            )
        elif kind == LIST:
            parser.add_argument(f"--{name}", action="append", metavar="VALUE", help=text)
        elif name in ("cwd", "home"):
            add_file_option(parser, f"--{name}", metavar="DIR", text=text)
        elif name == "file" or name.endswith("-file"):
            add_file_option(parser, f"--{name}", metavar="FILE", text=text)
        else:
            parser.add_argument(f"--{name}", metavar="VALUE", help=text)
    parser.add_argument("--version", action="store_true", help="print the version and exit")


def main(args: argparse.Namespace) -> int:
    import os

    from homeport.cli.gitlab_ci_local_options import collect

    if args.version:
        from homeport import __version__

        print(__version__)
        return 0
    options = collect(vars(args), os.environ)
    if options.switch("completion"):
        from homeport.cli.gitlab_ci_local_completion import completion

        sys.stdout.write(completion(os.environ))
        return 0
    from homeport.cli.gitlab_ci_local_request import Translation, say

    translation = Translation(options, os.environ)
    if any(options.switch(name.replace("_", "-")) for name in _LISTS):
        from homeport.cli.gitlab_ci_local_list import print_list

        return print_list(translation)
    if options.switch("preview"):
        from homeport.cli.gitlab_ci_local_preview import print_preview

        return print_preview(translation)
    if options.switch("validate-dependency-chain"):
        from homeport.cli.gitlab_ci_local_list import validate_dependencies

        return validate_dependencies(translation)
    from homeport.cli.gitlab_ci_local_run import run

    say(translation.notes())
    return run(translation)
