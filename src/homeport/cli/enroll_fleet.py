"""`homeport enroll fleet …`: many machines, by ansible's inventories and connections."""

import argparse
import re
import sys

from homeport.cli.enroll import (
    GROUP,
    Mapped,
    add_engine_option,
    add_request_options,
    add_restart_option,
    request_of,
    this_host,
)
from homeport.cli.options import Commands, add_file_option, add_group, add_json_option, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from homeport.enroll.fleet.asked import Asked
    from homeport.enroll.fleet.report import HostReport, Report
    from homeport.errors import Problem

EXAMPLES = """\
  homeport enroll fleet plan --inventory hosts.ini --mirror https://mirror:5443
  homeport enroll fleet apply --inventory hosts.ini --mirror https://mirror:5443 --wave 10%
  homeport enroll fleet status --inventory hosts.ini --html fleet.html
  homeport enroll fleet undo --inventory hosts.ini --limit ci
"""
SUMMARIES = {
    "plan": "Show what would be changed on each host; nothing is changed.",
    "apply": "Point the engines of each host at the mirror, wave by wave.",
    "verify": "Prove on each host that its engines use the mirror.",
    "undo": "Put back on each host what enrolment has changed.",
    "status": "Say which hosts are enrolled, and what has drifted.",
}
GROUP_NAME = "fleet"


def add_command(commands: Commands) -> None:
    inner = add_group(
        commands,
        GROUP_NAME,
        summary="Enroll many machines at once, over ssh.",
        examples=EXAMPLES,
        group=GROUP,
    )
    for name, summary in SUMMARIES.items():
        parser = add_parser(
            inner,
            name,
            main,
            summary=summary,
            examples=f"  homeport enroll fleet {name} --inventory hosts.ini\n",
            group=f"{GROUP} {GROUP_NAME}",
        )
        parser.set_defaults(fleet=name)
        _add_options(parser, name)


def _add_options(parser: argparse.ArgumentParser, name: str) -> None:
    group = parser.add_argument_group("the fleet")
    group.add_argument(
        "-i",
        "--inventory",
        metavar="FILE",
        action="append",
        required=True,
        help="an inventory of ansible's: INI, YAML, a program; may be repeated",
    )
    group.add_argument("--limit", metavar="PATTERN", help="only these hosts or groups")
    group.add_argument(
        "--forks", metavar="N", type=_number, default=5, help="hosts at a time (default: 5)"
    )
    group.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_number,
        default=600,
        help="how long one host may take (default: 600)",
    )
    group.add_argument("--become", action="store_true", help="become root on each host, by sudo")
    group.add_argument(
        "--ask-become-pass", action="store_true", help="ask for the password of --become"
    )
    add_file_option(group, "--html", metavar="FILE", text="write the report as HTML, too")
    add_json_option(group, "the report")
    if name == "plan":
        group.add_argument(
            "--diff", action="store_true", help="show the changes of each host as diffs, too"
        )
    if name in ("apply", "undo"):
        group.add_argument(
            "--wave",
            metavar="N|N%",
            type=_wave,
            help="so many hosts, or percent of them, are brought to their end before the next ones "
            "are begun (default: all at once)",
        )
        group.add_argument(
            "--keep-going",
            action="store_true",
            help="begin the next wave in spite of a host that has failed",
        )
        add_restart_option(parser)
    if name in ("plan", "apply", "verify"):
        add_request_options(parser)
    elif name == "undo":
        add_engine_option(parser)


def main(args: argparse.Namespace) -> int:
    """Status 1: a host is drifted, failed, unreachable, unsupported or was not begun."""
    from homeport.cli.output import print_json, print_problems
    from homeport.enroll.fleet.run import run_fleet

    with Mapped():
        asked = _asked(args)
        report = run_fleet(asked, told=_teller())
    if args.html:
        _write_html(args.html, report)
    if args.json:
        print_json(_plain(report))
    else:
        _print(report)
        if getattr(args, "diff", False):
            _print_diffs(report)
    print_problems(_left_behind(report))
    if report.interrupted:
        return 130
    return 0 if report.ok else 1


def _asked(args: argparse.Namespace) -> "Asked":
    from homeport.enroll.fleet.asked import Asked

    return Asked(
        command=args.fleet,
        inventories=tuple(args.inventory),
        question=_question(args),
        limit=args.limit,
        forks=args.forks,
        wave=getattr(args, "wave", None),
        become=args.become or args.ask_become_pass,
        become_password=_password() if args.ask_become_pass else None,
        keep_going=getattr(args, "keep_going", False),
        seconds=args.timeout,
    )


def _question(args: argparse.Namespace) -> "dict[str, object]":
    """What each host is asked; the mirror of this machine's own enrolment is no default for it."""
    from homeport.enroll.plain import to_plain
    from homeport.errors import UsageError

    question: dict[str, object] = {"engines": list(getattr(args, "engine", []))}
    if hasattr(args, "allow_restart"):
        question["allow_restart"] = args.allow_restart
    if getattr(args, "mirror", None):
        question["request"] = to_plain(request_of(args, this_host()))
    elif args.fleet in ("plan", "apply"):
        raise UsageError.of("which mirror?", code="mirror", hint="give --mirror URL")
    elif args.fleet == "verify" and (args.registries or args.canary or args.ca):
        raise UsageError.of(
            "these options need the mirror as well", code="mirror", hint="give --mirror URL"
        )
    return question


def _password() -> str:
    from getpass import getpass

    return getpass("become password: ")


def _teller() -> "Callable[[HostReport], None]":
    """Progress, on stderr: stdout holds the report alone."""
    from homeport.cli.output import printable

    def tell(host: "HostReport") -> None:
        print(f"{printable(host.host)}: {host.state}", file=sys.stderr, flush=True)

    return tell


def _print(report: "Report") -> None:
    from homeport.cli.output import print_table

    print_table(
        ("HOST", "ENGINE", "STATE", "PROVEN", "WHAT"),
        [(row.host, row.engine, row.state, row.proven, row.what) for row in report.rows],
    )
    counts = sorted(report.count().items())
    print("\n" + ", ".join(f"{number} {state}" for state, number in counts))


def _plain(report: "Report") -> "dict[str, object]":
    from homeport.enroll.plain import to_plain

    return {
        "ok": report.ok,
        "command": report.command,
        "interrupted": report.interrupted,
        "counts": report.count(),
        "hosts": [
            {"host": one.host, "state": one.state, "rows": to_plain(one.rows), "left": one.left}
            for one in report.hosts
        ],
    }


def _print_diffs(report: "Report") -> None:
    """The plan of each host that has something to change, as `homeport enroll plan` shows it."""
    from homeport.cli.enroll_plan import print_plans
    from homeport.cli.output import printable
    from homeport.enroll.errors import EnrollError
    from homeport.enroll.model import EnrollPlan
    from homeport.enroll.plain import from_plain

    for host in report.hosts:
        if host.answer is None or "plan" not in host.answer:
            continue
        try:
            plan = from_plain(EnrollPlan, host.answer["plan"])
        except EnrollError:
            continue  # the table says that its answer is not one, or all that it has
        changed = tuple(one for one in plan.engines if one.changes)
        if changed:
            print(f"\n=== {printable(host.host)}")
            print_plans(changed)


def _left_behind(report: "Report") -> "list[Problem]":
    from homeport.errors import Problem, Severity

    return [
        Problem(
            message=f"{one.host}: {one.left} could not be removed",
            code="left-behind",
            severity=Severity.WARNING,
            hint="it holds homeport's program, and nothing else; remove it",
        )
        for one in report.hosts
        if one.left
    ]


def _write_html(name: str, report: "Report") -> None:
    import time
    from pathlib import Path

    from homeport.enroll.fleet.page import write_page
    from homeport.errors import UsageError

    try:
        Path(name).write_text(write_page(report, now=time.time()), "utf-8")
    except OSError as error:
        raise UsageError.of(f"cannot write {name}: {error.strerror}", code="html") from None


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 86400:
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least 1")
    return int(text)


def _wave(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,5}|([1-9][0-9]?|100)%", text):
        raise argparse.ArgumentTypeError(f"{text} is neither a number of hosts nor a percentage")
    return text
