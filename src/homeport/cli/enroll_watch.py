"""`homeport enroll watch`: for a timer; says what has drifted, once, and ends with 1."""

import argparse

from homeport.cli.enroll import GROUP, Mapped, print_findings, this_host
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport enroll watch                     nothing and status 0 if all is as enrolled
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "watch",
        main,
        summary="Look once for drift, for a timer: status 1 and a diff if there is any.",
        examples=EXAMPLES,
        group=GROUP,
    )
    add_json_option(parser, "the drift")


def main(args: argparse.Namespace) -> int:
    """The mirror is not asked: that it is away is no drift."""
    from homeport.cli.output import print_json, printable
    from homeport.enroll.diff import diff_of, to_shown
    from homeport.enroll.status import DRIFTED, GONE, status

    with Mapped():
        states, findings = status(this_host())
    drifted = [one for one in states if one.state in (DRIFTED, GONE)]
    if args.json:
        print_json({"drifted": to_shown(drifted), "findings": to_shown(findings)})
        return 1 if drifted or findings else 0
    for one in drifted:
        print(f"{printable(one.title)}: {one.state}")
        for change in one.drift:
            print("\n".join(f"  {line}" for line in diff_of(change)))
        print_findings(one.findings)
    print_findings(findings)
    return 1 if drifted or findings else 0
