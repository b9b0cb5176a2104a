"""`homeport enroll status`: who is enrolled here, and whether that still holds."""

import argparse

from homeport.cli.enroll import GROUP, Mapped, print_findings, this_host
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport enroll status
  homeport enroll status --json | jq '.engines[].state'
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "status",
        main,
        summary="Say which engines are enrolled, with which mirror, and what has drifted.",
        examples=EXAMPLES,
        group=GROUP,
    )
    add_json_option(parser, "the state with all that undo goes by")


def main(args: argparse.Namespace) -> int:
    import time

    from homeport.cli.output import print_json, print_table
    from homeport.enroll.diff import to_shown
    from homeport.enroll.status import status

    with Mapped():
        states, findings = status(this_host())
    if args.json:
        print_json({"engines": to_shown(states), "findings": to_shown(findings)})
        return 0
    if states:
        print_table(
            ("ENGINE", "STATE", "MIRROR", "SINCE", "FILES"),
            [
                (
                    one.title,
                    one.state,
                    one.record.request.mirror.url,
                    time.strftime("%Y-%m-%d %H:%M", time.localtime(one.record.time)),
                    " ".join(change.path for change in one.record.changes),
                )
                for one in states
            ],
        )
    else:
        print("nothing is enrolled here")
    print_findings((*findings, *(found for one in states for found in one.findings)))
    return 0
