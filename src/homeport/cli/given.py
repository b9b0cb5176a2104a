"""`--secret` and `--id-token`: files of the user's with what only a server would have."""

import argparse
import os

from homeport.errors import UsageError


def add_given_options(group: "argparse._ActionsContainer") -> None:
    group.add_argument(
        "--secret",
        dest="secrets",
        metavar="NAME=@FILE",
        action="append",
        default=[],
        help="the file with a secret that jobs have by secrets:; may be repeated",
    )
    group.add_argument(
        "--id-token",
        dest="id_tokens",
        metavar="NAME=@FILE",
        action="append",
        default=[],
        help="the file with a token to give to jobs instead of one of our own; may be repeated",
    )


def given_files(args: argparse.Namespace) -> dict[str, object]:
    """What these options set: absolute paths by name, under the keys of the settings."""
    flags: dict[str, object] = {}
    for key, option in (("secrets", "--secret"), ("id_tokens", "--id-token")):
        if pairs := getattr(args, key, None):
            flags[key] = dict(_parse(pair, option) for pair in pairs)
    return flags


def _parse(pair: str, option: str) -> tuple[str, str]:
    """A value of the command line is no place for a secret: it is not even shown here."""
    name, _, path = pair.partition("=")
    if not (name and path.startswith("@") and len(path) > 1):
        raise UsageError.of(
            f"{option} {name}: not of the form NAME=@FILE",
            code="bad-file",
            hint="the value is read from a file, since other users see a command line",
        )
    return name, os.path.abspath(path[1:])  # noqa: PTH100 - links stay as they are
