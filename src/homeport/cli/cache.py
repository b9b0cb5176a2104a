"""`homeport cache list|clear`: what the jobs' caches hold, and room again."""

import argparse
import sys

from homeport.cli.options import Commands, add_group, add_json_option, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.pipeline.execute.cache_store import CacheStore

GROUP = "cache"
EXAMPLES = """\
  homeport cache list
  homeport cache clear               all caches of this repository
  homeport cache clear npm-main      one of them, by its key
"""


def add_command(commands: Commands) -> None:
    from homeport.cli.past import add_directory_option

    inner = add_group(
        commands, GROUP, summary="List or clear the caches of the jobs.", examples=EXAMPLES
    )
    listing = add_parser(
        inner,
        "list",
        list_caches,
        summary="List the caches of this repository.",
        examples="  homeport cache list --json | jq -r '.caches[].name'\n",
        group=GROUP,
    )
    add_json_option(listing, "the caches")
    add_directory_option(listing)
    clearing = add_parser(
        inner,
        "clear",
        clear_caches,
        summary="Remove caches of this repository; one in use stays.",
        examples="  homeport cache clear npm-main\n",
        arguments="[OPTION...] [KEY]",
        group=GROUP,
    )
    clearing.add_argument(
        "key", metavar="KEY", nargs="?", help="the key, or the name that list prints (default: all)"
    )
    add_directory_option(clearing)


def list_caches(args: argparse.Namespace) -> int:
    from homeport.cli.output import print_json, print_table
    from homeport.errors import ExitCode
    from homeport.lib.units import format_bytes, format_seconds

    found = _store(args).kept()
    if args.json:
        print_json(
            {
                "caches": [
                    {"name": one.name, "size": one.size, "used_at": one.used_at} for one in found
                ]
            }
        )
    elif found:
        from time import time

        now = time()
        print_table(
            ("Cache", "Size", "Used"),
            [
                (one.name, format_bytes(one.size), f"{format_seconds(now - one.used_at)} ago")
                for one in found
            ],
        )
    else:
        print("homeport: no caches of this repository are kept", file=sys.stderr)
    return ExitCode.OK


def clear_caches(args: argparse.Namespace) -> int:
    """Status 1 if one of them is in use, and stays."""
    from homeport.cli.output import printable
    from homeport.errors import ExitCode, UsageError
    from homeport.lib.units import format_bytes
    from homeport.pipeline.execute.cache_key import folder_name

    store = _store(args)
    found = store.kept()
    if args.key is not None:
        # A key has the ending of GitLab's, which nobody writes.
        keys = [args.key, *(f"{args.key}-{end}" for end in ("protected", "non_protected"))]
        wanted = {args.key, *(folder_name(key, ()) for key in keys)}
        found = tuple(one for one in found if one.name in wanted)
        if not found:
            raise UsageError.of(
                f"there is no cache {args.key}", code="no-cache", hint="homeport cache list"
            )
    status = ExitCode.OK
    for one in found:
        if store.clear(one.name):
            print(f"removed cache  {printable(one.name)}  ({format_bytes(one.size)})")
        else:
            print(f"homeport: cache {printable(one.name)} is in use: kept", file=sys.stderr)
            status = ExitCode.FAILED
    return status


def _store(args: argparse.Namespace) -> "CacheStore":
    from homeport.cli.past import state_for
    from homeport.pipeline.execute.cache_store import CacheStore

    return CacheStore(state_for(args).cache_path / "cache", 0)
