"""`homeport enroll detect`: the container engines and clients of this machine."""

import argparse

from homeport.cli.enroll import GROUP, Mapped, add_engine_option, print_findings, this_host
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport enroll detect                    what is here, and which file it reads
  homeport enroll detect --engine docker    only Docker
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "detect",
        main,
        summary="List the container engines and clients of this machine.",
        examples=EXAMPLES,
        group=GROUP,
    )
    add_engine_option(parser)
    add_json_option(parser, "the engines")


def main(args: argparse.Namespace) -> int:
    from homeport.cli.output import print_json, print_table
    from homeport.enroll.plain import to_plain
    from homeport.enroll.plan import detect

    with Mapped():
        engines = detect(this_host(), args.engine)
    if args.json:
        print_json({"engines": to_plain(engines)})
        return 0
    if not engines:
        print("no container engine was found here")
        return 0
    print_table(
        ("ENGINE", "VERSION", "RUNS", "WRITABLE", "FILE", "ID"),
        [
            (
                engine.title,
                engine.version or "?",
                "yes" if engine.running else "no",
                "yes" if engine.writable else "no",
                engine.config or "-",
                engine.id,
            )
            for engine in engines
        ],
    )
    print_findings(finding for engine in engines for finding in engine.findings)
    return 0
