"""`homeport render`: the merged YAML, as GitLab's lint shows it."""

import argparse
import sys

from homeport.cli.options import Commands, add_json_option, add_parser, add_source_options

EXAMPLES = """\
  homeport render                   the file with includes, extends and !reference resolved
  homeport render --json | jq '.build'
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "render",
        main,
        summary="Print the merged configuration: includes, extends and !reference resolved.",
        examples=EXAMPLES,
    )
    add_json_option(parser, "the configuration")
    add_source_options(parser)


def main(args: argparse.Namespace) -> int:
    from homeport.cli.output import print_json
    from homeport.cli.source import evaluate_for, finish
    from homeport.pipeline.document.dump import dump

    evaluation = evaluate_for(args)
    if args.json:
        print_json(evaluation.merged)
    else:
        sys.stdout.write(dump(evaluation.merged))
    return finish(evaluation, args)
