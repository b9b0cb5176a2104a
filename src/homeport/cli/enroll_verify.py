"""`homeport enroll verify`: each engine pulls what only the mirror can serve."""

import argparse

from homeport.cli.enroll import GROUP, Mapped, add_request_options, request_of, this_host
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport enroll verify                    all engines that are enrolled
  homeport enroll verify --engine podman    one of them
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "verify",
        main,
        summary="Prove that engines use the mirror: pull what nobody else can serve.",
        examples=EXAMPLES,
        group=GROUP,
    )
    add_request_options(parser)
    add_json_option(parser, "the proofs")


def main(args: argparse.Namespace) -> int:
    """Status 1: an engine does not use the mirror."""
    from homeport.cli.output import print_json, print_table, printable
    from homeport.enroll.enrolment import asked_for, prove
    from homeport.enroll.plain import to_plain

    host = this_host()
    with Mapped():
        request = None
        if args.mirror or args.registries or args.canary:
            request = asked_for(host, request_of(args, host))
        proofs = prove(host, request, args.engine)
    ok = all(proof.ok for proof in proofs)
    if args.json:
        print_json({"ok": ok, "proofs": to_plain(proofs)})
        return 0 if ok else 1
    print_table(
        ("ENGINE", "REGISTRY", "RESULT"),
        [(proof.title, proof.registry, proof.state) for proof in proofs],
    )
    for proof in proofs:
        if proof.said:
            print(f"{printable(proof.title)}, {proof.registry}: {printable(proof.said)}")
    if not ok:
        print("homeport enroll watch shows what has drifted, homeport enroll apply puts it right")
    return 0 if ok else 1
