"""`homeport mirror usage`: what takes the space, and what is left of the upstreams' rate limits."""

import argparse
from typing import Any

from homeport.cli.mirror import GROUP, add_config_options, data_folder
from homeport.cli.options import Commands, add_json_option, add_parser

EXAMPLES = """\
  homeport mirror usage
  homeport mirror usage --json | jq .upstreams
"""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "usage",
        main,
        summary="Show what takes the space, by upstream and namespace.",
        examples=EXAMPLES,
        group=GROUP,
    )
    add_config_options(parser)
    add_json_option(parser, "the usage")


def main(args: argparse.Namespace) -> int:
    from homeport.cli.control_socket import need
    from homeport.cli.output import print_json, print_table
    from homeport.lib.units import format_bytes

    usage = need(data_folder(args)).get("usage")
    if args.json:
        print_json(usage)
        return 0
    store = usage["store"]
    print(
        f"blobs {format_bytes(store['blobs'])}{_share(store['blobs'], store['quota'])}, "
        f"coming in {format_bytes(store['staged'])}, free on the disk {format_bytes(store['free'])}"
    )
    print("an image that several have is counted for each of them\n")
    rows = [
        (name, format_bytes(entry["bytes"]), "", _limit(entry["rate_limit"]))
        for name, entry in usage["upstreams"].items()
    ]
    rows += [
        (
            f"local/{name}",
            format_bytes(entry["bytes"]),
            _share(entry["bytes"], entry["quota"]).strip(),
            "",
        )
        for name, entry in usage["namespaces"].items()
    ]
    print_table(("UPSTREAM OR NAMESPACE", "BLOBS", "QUOTA", "RATE LIMIT"), rows)
    return 0


def _share(size: int, quota: int | None) -> str:
    from homeport.lib.units import format_bytes

    if quota is None:
        return ""
    return f" of {format_bytes(quota)} ({100 * size / quota:.0f} %)" if quota else " of 0 B"


def _limit(quota: Any) -> str:
    import time

    from homeport.lib.units import format_seconds

    if quota is None:
        return ""
    age = format_seconds(max(0.0, time.time() - quota["seen"]))
    per = format_seconds(quota["window"])
    return f"{quota['remaining']} of {quota['limit']} in {per} left, {age} ago"
