"""`homeport enroll undo`: every file as it was."""

import argparse

from homeport.cli.enroll import (
    GROUP,
    Mapped,
    add_engine_option,
    add_restart_option,
    print_findings,
    this_host,
)
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport enroll undo                                   all engines
  homeport enroll undo --keep /etc/docker/daemon.json    leave this file as it is now
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "undo",
        main,
        summary="Put back what enrolment has changed; refuse where somebody has changed it since.",
        examples=EXAMPLES,
        group=GROUP,
    )
    add_engine_option(parser)
    parser.add_argument(
        "--keep",
        metavar="FILE",
        action="append",
        default=[],
        help="leave this file as it is and forget it; may be repeated",
    )
    add_restart_option(parser)
    add_json_option(parser, "what was done")


def main(args: argparse.Namespace) -> int:
    from homeport.cli.output import print_json, printable
    from homeport.enroll.plain import to_plain
    from homeport.enroll.undo import undo

    with Mapped():
        done = undo(
            this_host(), engines=args.engine, keep=args.keep, allow_restart=args.allow_restart
        )
    if args.json:
        print_json({"undone": to_plain(done)})
        return 0
    for one in done:
        print(f"{printable(one.title)}: as it was before")
        for path in one.files:
            print(f"  {printable(path)}")
        print_findings(one.findings)
    if not done:
        print("nothing is enrolled here")
    return 0
