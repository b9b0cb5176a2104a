"""`homeport lint`: every problem at once, in GitLab's words, each with its place."""

import argparse

from homeport.cli.options import Commands, add_json_option, add_parser, add_source_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from homeport.errors import Problem
    from homeport.pipeline.flow import Evaluation

EXAMPLES = """\
  homeport lint                     check .gitlab-ci.yml
  homeport lint -f ci/release.yml   check another file
  homeport lint --json | jq '.problems'
  homeport lint --mirror https://mirror.corp:5443   what would not come through the mirror
"""

_DOCKERFILE_BYTES = 1024 * 1024


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "lint",
        main,
        summary="Check the CI file and all that it includes; print all problems at once.",
        examples=EXAMPLES,
    )
    add_json_option(parser, "the problems")
    parser.add_argument(
        "--mirror",
        metavar="URL",
        help="also say which images would not come through this mirror, and what to change",
    )
    add_source_options(parser)


def main(args: argparse.Namespace) -> int:
    from homeport.cli.output import has_errors, print_json, print_problems
    from homeport.cli.source import evaluate_for, missing_problems, strictly
    from homeport.errors import ExitCode, HomeportError

    missing = False
    try:
        evaluation = evaluate_for(args)
    except HomeportError as error:
        problems, status = error.problems, error.exit_code
    else:
        missing = bool(evaluation.pipeline.missing)
        problems = (
            *evaluation.pipeline.problems,
            *_of_children(evaluation),
            *missing_problems(evaluation.pipeline, strict=args.strict),
            *for_mirror(evaluation, args.mirror),
        )
        status = ExitCode.USAGE if has_errors(problems) else ExitCode.OK
        status = strictly(status, missing=missing, strict=args.strict)
    if args.json:
        print_json({"valid": status is ExitCode.OK, "problems": [_json(item) for item in problems]})
    else:
        print_problems(problems)
        if status is ExitCode.OK:
            print(f"{args.file or '.gitlab-ci.yml'} is valid")
    return int(status)


def _of_children(evaluation: "Evaluation") -> "tuple[Problem, ...]":
    """What is wrong in child pipelines, as far as they are known before a run."""
    if not any(job.job.trigger for job in evaluation.pipeline.jobs):
        return ()
    from homeport.pipeline.foreseen import foresee

    return foresee(evaluation).problems


def for_mirror(evaluation: "Evaluation", url: str | None) -> "tuple[Problem, ...]":
    """What would not come through this mirror; nothing without one. Raises UsageError."""
    if url is None:
        return ()
    from homeport.errors import UsageError
    from homeport.oci.mirror_address import HINT, is_mirror
    from homeport.pipeline.plan.mirror_lint import lint_for_mirror
    from homeport.pipeline.plan.through_mirror import Mirror

    if not is_mirror(url):
        raise UsageError.of(
            "--mirror is given no address of a mirror",  # which may hold a password
            code="mirror-url",
            hint=HINT,
        )
    root = evaluation.request.root

    def read(path: str) -> str | None:
        return _text_in(root, path)

    mirror = Mirror(url=url.rstrip("/"))
    return lint_for_mirror(evaluation.config, evaluation.merged, mirror, read)


def _text_in(root: "Path", path: str) -> str | None:
    """A text file of the repository; none that lies outside of it, is no file, or is large."""
    try:
        found = (root / path).resolve(strict=True)
        if not found.is_relative_to(root.resolve()) or not found.is_file():
            return None
        with found.open("rb") as file:
            return file.read(_DOCKERFILE_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return None


def _json(problem: object) -> object:
    import msgspec

    return msgspec.to_builtins(problem)
