"""`homeport lint`: every problem at once, in GitLab's words, each with its place."""

import argparse

from homeport.cli.options import Commands, add_json_option, add_parser, add_source_options

EXAMPLES = """\
  homeport lint                     check .gitlab-ci.yml
  homeport lint -f ci/release.yml   check another file
  homeport lint --json | jq '.problems'
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "lint",
        main,
        summary="Check the CI file and all that it includes; print all problems at once.",
        examples=EXAMPLES,
    )
    add_json_option(parser, "the problems")
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
            *missing_problems(evaluation.pipeline, strict=args.strict),
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


def _json(problem: object) -> object:
    import msgspec

    return msgspec.to_builtins(problem)
