"""`homeport mirror backup DIR`: a copy of the images, while the mirror serves."""

import argparse
from pathlib import Path

from homeport.cli.mirror import GROUP, add_config_options, config_loader, require
from homeport.cli.options import Commands, add_json_option, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EXAMPLES = """\
  homeport mirror backup /backup/mirror             the second time copies only what is new
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "backup",
        main,
        summary="Copy images, robots, token keys and the audit to a folder; the mirror may run.",
        examples=EXAMPLES,
        arguments="DIR [OPTION...]",
        group=GROUP,
    )
    parser.add_argument("folder", metavar="DIR", help="a new folder, or that of an earlier backup")
    add_config_options(parser)
    add_json_option(parser, "what was copied")


def main(args: argparse.Namespace) -> int:
    require("cryptography")
    from homeport.cli.control_socket import watching
    from homeport.mirror.app.copies import backup

    data, into = Path(config_loader(args, files=False)().data), Path(args.folder).absolute()
    done = {"done": 0}
    with watching(lambda: done, "copying blobs"):
        report = backup(data, into, seen=lambda count: done.update(done=count))
    return show(report, args.folder, as_json=args.json)


def show(report: "Any", where: str, *, as_json: bool) -> int:
    """Status 1 where the copy lacks blobs or a day of the audit."""
    from homeport.cli.output import print_json, printable
    from homeport.errors import ExitCode
    from homeport.lib.units import format_bytes

    missing, damaged = report["missing"], report["damaged_segments"]
    status = int(ExitCode.FAILED if missing or damaged else ExitCode.OK)
    if as_json:
        print_json(report)
        return status
    print(
        printable(
            f"{where}: {report['blobs']} blobs, {report['copied']} of them copied now "
            f"({format_bytes(report['size'])})"
        )
    )
    for digest in missing:
        print(f"missing or wrong at the source: {digest}")
    for segment in damaged:
        print(f"no copy of the audit's segment {segment}: it cannot be read")
    return status
