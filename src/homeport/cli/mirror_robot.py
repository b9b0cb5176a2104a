"""`homeport mirror robot add|remove|list`: accounts for programs, with an end."""

import argparse
import time
from pathlib import Path

from homeport.cli.mirror import add_account_commands, add_config_options, config_loader
from homeport.cli.options import Commands, add_json_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

EXAMPLES = """\
  homeport mirror robot add ci --expires 90d --group builders
  homeport mirror robot list
  homeport mirror robot remove ci
"""


def add_command(commands: Commands) -> None:
    parsers = add_account_commands(
        commands,
        "robot",
        {
            "add": (add, "Add a robot account and print its secret, once."),
            "remove": (remove, "Remove a robot account, and all tokens that it has."),
            "list": (list_, "List the robot accounts."),
        },
        summary="Manage the mirror's robot accounts.",
        examples=EXAMPLES,
        account="the robot, with or without robot$",
    )
    adding = parsers["add"]
    adding.add_argument(
        "--expires", metavar="TIME", required=True, help="when it ends: 90d, 12h, never"
    )
    adding.add_argument(
        "--group", metavar="GROUP", action="append", default=[], help="for the rules"
    )
    adding.add_argument("--description", metavar="TEXT", default="", help="what it is for")
    add_json_option(parsers["list"], "the robots")
    for parser in parsers.values():
        add_config_options(parser)


def add(args: argparse.Namespace) -> int:
    from homeport.mirror.auth.robots import add_robot

    now = time.time()
    lifetime = _lifetime(args.expires)
    data = _data(args)
    secret = _with_folder(
        data,
        lambda: add_robot(
            data,
            args.name,
            groups=args.group,
            expires=None if lifetime is None else now + lifetime,
            now=now,
            description=args.description,
        ),
    )
    print(secret)
    return 0


def remove(args: argparse.Namespace) -> int:
    from homeport.errors import UsageError
    from homeport.mirror.auth.robots import remove_robot

    data = _data(args)
    if not _with_folder(data, lambda: remove_robot(data, args.name)):
        raise UsageError.of(f"there is no robot {args.name}", code="mirror-robot")
    print(f"{args.name} is removed")
    return 0


def list_(args: argparse.Namespace) -> int:
    from homeport.cli.output import print_json, print_table, printable
    from homeport.mirror.auth.robots import list_robots

    data = _data(args)
    robots = _with_folder(data, lambda: list_robots(data))
    if args.json:
        print_json(
            [
                {
                    "name": robot.identity.name,
                    "groups": list(robot.groups),
                    "created": robot.created,
                    "expires": robot.expires,
                    "description": robot.description,
                }
                for robot in robots
            ]
        )
        return 0
    now = time.time()
    rows = [
        (
            robot.identity.name,
            ",".join(robot.groups),
            "never" if robot.expires is None else _day(robot.expires),
            "over" if robot.is_over(now) else "",
            robot.description,
        )
        for robot in robots
    ]
    print_table(
        ("ROBOT", "GROUPS", "EXPIRES", "", "DESCRIPTION"),
        [tuple(printable(cell) for cell in row) for row in rows],
    )
    return 0


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _lifetime(text: str) -> float | None:
    """Seconds; None for never, which must be said."""
    from homeport.errors import UsageError
    from homeport.mirror.config.amounts import parse_duration

    if text == "never":
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError.of(f"--expires {text}: {error}", code="mirror-robot") from None


def _data(args: argparse.Namespace) -> Path:
    return Path(config_loader(args, files=False)().data)


def _with_folder(data: Path, work: "Callable[[], T]") -> "T":
    """The result of `work`; raises MissingError where the folder cannot be used."""
    from homeport.errors import MissingError

    try:
        return work()
    except OSError as error:
        raise MissingError.of(
            f"cannot use {error.filename or data}: {error.strerror}", code="mirror-robot"
        ) from None
