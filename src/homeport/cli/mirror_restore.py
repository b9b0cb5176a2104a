"""`homeport mirror restore DIR`: a backup becomes the mirror's data folder."""

import argparse
from pathlib import Path

from homeport.cli.mirror import GROUP, add_config_options, config_loader, require
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport mirror restore /backup/mirror --data /srv/mirror
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "restore",
        main,
        summary="Copy a backup into a new data folder, verifying every digest.",
        examples=EXAMPLES,
        arguments="DIR [OPTION...]",
        group=GROUP,
    )
    parser.add_argument("folder", metavar="DIR", help="what `backup` made")
    add_config_options(parser)
    add_json_option(parser, "what was copied")


def main(args: argparse.Namespace) -> int:
    require("cryptography")
    from homeport.cli.control_socket import watching
    from homeport.cli.mirror_backup import show
    from homeport.mirror.app.copies import restore

    data = Path(config_loader(args, files=False)().data)
    done = {"done": 0}
    with watching(lambda: done, "copying blobs"):
        report = restore(
            Path(args.folder).absolute(), data, seen=lambda count: done.update(done=count)
        )
    return show(report, str(data), as_json=args.json)
