"""`homeport mirror status`: is it well, and how are its upstreams?"""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from homeport.cli.mirror import GROUP, add_config_options, data_folder
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport mirror status
  homeport mirror status --json | jq '.upstreams[] | select(.healthy | not)'
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "status",
        main,
        summary="Show how the running mirror and its upstreams are.",
        examples=EXAMPLES,
        group=GROUP,
    )
    add_config_options(parser)
    add_json_option(parser, "the status")


def main(args: argparse.Namespace) -> int:
    """Status 1 while the mirror is not ready."""
    from homeport.cli.control_socket import need
    from homeport.cli.output import print_json, print_table, printable
    from homeport.errors import ExitCode

    status = need(data_folder(args)).get("status")
    code = int(ExitCode.OK if status["ready"] == "yes" else ExitCode.FAILED)
    if args.json:
        print_json(status)
        return code
    for line in _lines(status):
        print(printable(line))
    print()
    print_table(
        ("UPSTREAM", "STATE", "ACTIVE", "WAITING", "RATE LIMIT", ""),
        [_upstream(entry) for entry in status["upstreams"]],
    )
    return code


def _lines(status: Mapping[str, Any]) -> Iterator[str]:
    from homeport.lib.units import format_bytes, format_seconds

    store, numbers = status["store"], status["numbers"]
    ready = "ready" if status["ready"] == "yes" else f"NOT READY: {status['ready']}"
    yield f"homeport {status['version']}, up {format_seconds(status['uptime_seconds'])}, {ready}"
    for name, addresses in status.get("listeners", {}).items():
        yield f"listening: {name} at {', '.join(addresses)}"
    yield (
        f"store: {format_bytes(store['blobs'])} of blobs, {format_bytes(store['staged'])} coming "
        f"in, {format_bytes(store['free'])} free"
    )
    yield f"connections: {numbers.get('connections', 0):.0f}"
    if status.get("read_only"):
        yield "read-only: nothing can be pushed or deleted"
    reload = status.get("last_reload")
    if reload is not None:
        yield f"last reload: {_moment(reload['time'])}, {'done' if reload['ok'] else 'REFUSED'}"
        yield from (f"  {problem}" for problem in reload["problems"])
    if status.get("waits_for_restart"):
        yield f"new settings that wait for a restart: {', '.join(status['waits_for_restart'])}"


def _upstream(entry: Mapping[str, Any]) -> tuple[str, ...]:
    quota = entry.get("quota")
    limit = "" if quota is None else f"{quota['remaining']} of {quota['limit']} left"
    troubles = "; ".join(f"{host}: {words}" for host, words in entry.get("failing", {}).items())
    return (
        entry["name"],
        "well" if entry["healthy"] else "ILL",
        str(entry["active"]),
        str(entry["waiting"]),
        limit,
        troubles,
    )


def _moment(seconds: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
