"""`homeport mirror explain IMAGE`: where a pull leads, which rule decides, what was said lately."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from homeport.cli.mirror import GROUP, add_config_options, data_folder
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport mirror explain alpine                            as anybody on this machine
  homeport mirror explain quay.io/coreos/etcd:v3.5 --from 10.1.2.3
  homeport mirror explain registry.internal/team/app --user ann --group builders
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "explain",
        main,
        summary="Explain why a pull is answered as it is; status 1 if it would be denied.",
        examples=EXAMPLES,
        arguments="IMAGE [OPTION...]",
        group=GROUP,
    )
    parser.add_argument("image", metavar="IMAGE", help="as a client names it")
    parser.add_argument("--listener", metavar="NAME", help="where it asks (default: the first)")
    parser.add_argument(
        "--from", dest="address", metavar="ADDRESS", help="who asks (default: this machine)"
    )
    parser.add_argument("--user", metavar="NAME", help="who asks (default: anonymous)")
    parser.add_argument(
        "--group",
        metavar="GROUP",
        action="append",
        default=[],
        help="a group of theirs beside those of the configuration; may be repeated",
    )
    add_config_options(parser)
    add_json_option(parser, "all that is known")


def main(args: argparse.Namespace) -> int:
    from homeport.cli.control_socket import need
    from homeport.cli.output import print_json, print_table, printable
    from homeport.errors import ExitCode

    asked = {
        "image": args.image,
        "listener": args.listener,
        "address": _address(args.address),
        "principal": args.user,
        "groups": ",".join(args.group),
    }
    known = need(data_folder(args)).get(
        "explain", {name: text for name, text in asked.items() if text}
    )
    status = int(ExitCode.OK if known["allowed"] else ExitCode.FAILED)
    if args.json:
        print_json(known)
        return status
    for line in _lines(known):
        print(printable(line))
    if known.get("rules"):
        print()
        print_table(
            ("RULE", "", "WHY"),
            [
                (step["rule"], "decides" if step["decides"] else "", step["why"])
                for step in known["rules"]
            ],
        )
    if known["recent"]:
        print("\nlately, newest first:")
        print_table(("TIME", "WHAT", "STATUS", "WHO", "WHY"), map(_recent, known["recent"]))
    return status


def _lines(known: Mapping[str, Any]) -> Iterator[str]:
    name, reference = known["name"], known["reference"]
    separator = "@" if ":" in reference else ":"
    yield f"asked at {known['listener']}: {name}{separator}{reference}"
    if "refused" in known:
        yield f"DENIED: {known['refused']}"
        return
    yield f"is {known['upstream']}/{known['repository']} ({known['route']})"
    verdict = "allowed" if known["allowed"] else f"DENIED: {known['reason']}"
    yield f"{verdict}, by rule {known['rule']}"
    yield _held(known["held"], local=known["upstream"] == "local")
    state = known.get("upstream_state")
    if state is not None:
        yield f"upstream {state['name']}: {'well' if state['healthy'] else 'ILL'}"
        yield from (f"  {host} last failed: {words}" for host, words in state["failing"].items())
        quota = state.get("quota")
        if quota is not None:
            yield f"  rate limit: {quota['remaining']} of {quota['limit']} left"
    if known["recent"]:
        yield f"last answer: {known['recent'][0]['status']}, {known['recent'][0]['why']}"


def _held(held: Mapping[str, Any] | None, *, local: bool) -> str:
    from homeport.lib.units import format_seconds

    if held is None:
        return "not held here" + (
            ", and nowhere else" if local else ": a pull goes to the upstream"
        )
    words = [f"held here: {held['digest']}, {held['state']}"]
    if "checked_seconds_ago" in held:
        words.append(f"checked {format_seconds(held['checked_seconds_ago'])} ago")
    if "ttl_seconds" in held:
        words.append(f"believed for {format_seconds(held['ttl_seconds'])}")
    if "gone_upstream_seconds_ago" in held:
        gone = format_seconds(held["gone_upstream_seconds_ago"])
        words.append(f"the upstream has not had it for {gone}")
    return ", ".join(words)


def _recent(record: Mapping[str, Any]) -> tuple[str, ...]:
    import time

    return (
        time.strftime("%H:%M:%S UTC", time.gmtime(record["time"])),
        f"{record['action']} {record.get('reference', '')[:19]}",
        str(record["status"]),
        f"{record.get('principal') or 'anonymous'}@{record['address']}",
        record["why"],
    )


def _address(text: str | None) -> str | None:
    from ipaddress import ip_address

    from homeport.errors import UsageError

    if text is None:
        return None
    try:
        return str(ip_address(text))
    except ValueError:
        raise UsageError.of(f"--from {text}: no IP address", code="mirror-explain") from None
