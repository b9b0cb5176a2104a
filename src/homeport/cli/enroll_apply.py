"""`homeport enroll apply`: change this machine, each engine wholly or not at all."""

import argparse

from homeport.cli.enroll import (
    GROUP,
    Mapped,
    add_request_options,
    add_restart_option,
    print_findings,
    request_of,
    this_host,
)
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport enroll apply --mirror https://mirror:5443 --ca ca.pem
  homeport enroll apply --mirror https://mirror:5443 --mode only --engine podman
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "apply",
        main,
        summary="Point engines at the mirror; what does not take it is put back at once.",
        examples=EXAMPLES,
        group=GROUP,
    )
    add_request_options(parser)
    add_restart_option(parser)
    add_json_option(parser, "what was done")


def main(args: argparse.Namespace) -> int:
    """Status 1: an engine refused, and was put back."""
    from homeport.cli.output import print_json, printable
    from homeport.enroll.enrolment import enroll
    from homeport.enroll.plain import to_plain

    host = this_host()
    with Mapped():
        done = enroll(host, request_of(args, host))
    if args.json:
        print_json(
            {
                "ok": done.ok,
                "probe": to_plain(done.probe),
                "results": to_plain(done.results),
                "resumed": to_plain(done.resumed),
            }
        )
        return 0 if done.ok else 1
    print_findings((*done.resumed, *done.probe.findings))
    for result in done.results:
        print(f"{printable(result.title)}: {result.state}")
        for path in result.files:
            print(f"  {printable(path)}")
        print_findings(result.findings)
    if not done.results:
        print("no container engine was found here")
    return 0 if done.ok else 1
