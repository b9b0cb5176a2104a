"""`homeport jwks`: the public key of the id_tokens that homeport signs."""

import argparse
import os

from homeport.cli.options import Commands, add_parser

EXAMPLES = """\
  homeport jwks > jwks.json            for a service that is to believe the tokens of local runs
"""


def add_command(commands: Commands) -> None:
    add_parser(
        commands,
        "jwks",
        main,
        summary="Print the public key of the id_tokens of local runs, as a JSON Web Key Set.",
        examples=EXAMPLES,
    )


def main(_args: argparse.Namespace) -> int:
    from homeport.cli.output import print_json
    from homeport.errors import ExitCode
    from homeport.pipeline.execute.id_tokens import public_keys
    from homeport.pipeline.execute.state import state_base

    print_json(public_keys(state_base(os.environ)))
    return ExitCode.OK
