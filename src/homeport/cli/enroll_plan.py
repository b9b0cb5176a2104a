"""`homeport enroll plan`: what would be changed on this machine, as diffs."""

import argparse
import sys

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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.enroll.model import EnginePlan

EXAMPLES = """\
  homeport enroll plan --mirror https://mirror:5443
  homeport enroll plan --mirror https://mirror:5443 --registries docker.io,ghcr.io,quay.io
  homeport enroll plan --check              status 1 if something is not as it should be
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "plan",
        main,
        summary="Show what would be changed here, as a diff for each file; nothing is changed.",
        examples=EXAMPLES,
        group=GROUP,
    )
    add_request_options(parser)
    add_restart_option(parser)
    parser.add_argument(
        "--check", action="store_true", help="status 1 if there is a change to make"
    )
    add_json_option(parser, "the plan")


def main(args: argparse.Namespace) -> int:
    from homeport.cli.output import print_json
    from homeport.enroll.diff import to_shown
    from homeport.enroll.enrolment import plan_enrolment

    host = this_host()
    with Mapped():
        planned = plan_enrolment(host, request_of(args, host))
    plan = planned.plan
    broken = [found for one in plan.engines for found in one.findings if found.severity == "error"]
    if args.json:
        print_json({"probe": to_shown(planned.probe), **to_shown(plan), "drifted": plan.drifted})
    else:
        print_findings(planned.probe.findings)
        print_plans(plan.engines)
    if broken:
        return 2
    return 1 if args.check and plan.drifted else 0


def print_plans(plans: "tuple[EnginePlan, ...]") -> None:
    shown: set[str] = set()
    if not plans:
        print("no container engine was found here")
    for plan in plans:
        print_plan(plan, shown)


def print_plan(plan: "EnginePlan", shown: "set[str]") -> None:
    """One engine. Files that engines share are shown once; `shown` remembers them."""
    from homeport.cli.output import paint, printable, wants_colour
    from homeport.enroll.diff import diff_of, summary_of

    colour = wants_colour(sys.stdout)
    version = f" {plan.engine.version}" if plan.engine.version else ""
    print(paint(printable(f"{plan.engine.title}{version}"), "bold", on=colour))
    if not plan.changes and not any(one.severity == "error" for one in plan.findings):
        print("  nothing is to be changed")
    for change in plan.changes:
        if change.path in shown:
            print(f"  {printable(change.path)}: as above, an engine before this one shares it")
            continue
        shown.add(change.path)
        print(f"  {printable(summary_of(change))}")
        for line in diff_of(change):
            print(f"    {paint(line, _colour(line), on=colour)}".rstrip())
    if plan.changes:
        print(f"  {_effect(plan)}")
    for limit in plan.limits:
        hint = f" ({limit.hint})" if limit.hint else ""
        print(f"  limit: {printable(f'{limit.what}: {limit.why}{hint}')}")
    if plan.changes and not plan.proven:
        print("  rendered, not verified on a real engine")
    for finding in plan.findings:
        place = f"{finding.place}: " if finding.place else ""
        print(f"  {place}{finding.severity}: {printable(finding.message)}")
        if finding.hint:
            print(f"    {printable(finding.hint)}")
    print()


def _colour(line: str) -> str:
    if line.startswith(("+++", "---", "@@")):
        return "dim"
    return {"+": "green", "-": "error"}.get(line[:1], "note")


def _effect(plan: "EnginePlan") -> str:
    from homeport.enroll.model import Effect

    command = f": {' '.join(plan.command)}" if plan.command else ""
    if plan.effect is Effect.NOTHING:
        return "read at its next pull or start; nothing is reloaded"
    if plan.effect is Effect.RELOAD:
        return "taken up by a reload; no container stops"
    if plan.effect is Effect.RECREATE:
        return f"taken up when it is made anew, by its owner{command}"
    stops = ", ".join(plan.stops) if plan.stops else "none that is known"
    return f"needs a restart{command}; that stops: {stops}"
