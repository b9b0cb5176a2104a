"""Dotenv reports: the variables that a job hands on to later jobs.

The rules are GitLab's own (Ci::ParseDotenvArtifactService; docs: artifacts:reports:dotenv), which
are not those of other dotenv readers: each line is `KEY=VALUE`, an empty line or a comment is an
error, quotes belong to the value, and nothing spans lines.
"""

import re
from collections.abc import Iterable

from msgspec import Struct


class DotenvLimits(Struct, frozen=True, kw_only=True):
    """GitLab's plan limits `dotenv_size` (bytes; a report must be smaller) and `dotenv_variables`,
    as self-managed servers have them by default."""

    size: int = 5 * 1024
    variables: int = 20


NO_CHANGE = DotenvLimits()
_KEY_LIMIT = 255
_LINE = r"(.*?)=(.*)"
_KEY = r"[a-zA-Z0-9_]+"
# What Ruby's String#strip takes away; at the start all but the NUL.
_BLANK = " \t\n\v\f\r"


class DotenvError(Exception):
    """A report that GitLab refuses; the text says why, in GitLab's words where it has some."""


def parse_dotenv(
    files: Iterable[tuple[str, bytes]], limits: DotenvLimits = NO_CHANGE
) -> dict[str, str]:
    """The variables of all files of one report, each given as (name, content); later ones win."""
    variables: dict[str, str] = {}
    size = 0
    for name, content in files:
        size += len(content)
        if size >= limits.size:
            raise DotenvError(f"Dotenv Artifact Too Big. Maximum Allowable Size: {limits.size}")
        text = _decode(content)
        for number, line in enumerate(_lines(text), 1):
            key, value = _parse_line(line, f"{name}:{number}")
            variables[key] = value
    if len(variables) > limits.variables:
        raise DotenvError(f"Dotenv files cannot have more than {limits.variables} variables")
    return variables


def _decode(content: bytes) -> str:
    """Text of UTF-8, or of UTF-16 with its mark, as PowerShell writes it."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    return content.decode("utf-8-sig", "replace")


def _lines(text: str) -> list[str]:
    # Not splitlines: for Ruby only a newline ends a line.
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def _parse_line(line: str, place: str) -> tuple[str, str]:
    match = re.match(_LINE, line)
    if match is None:
        raise DotenvError(f"{place}: Invalid Format")
    key, value = (part.lstrip(_BLANK).rstrip(_BLANK + "\0") for part in match.groups())
    if not key:
        raise DotenvError(f"{place}: Validation failed: Key can't be blank")
    if re.fullmatch(_KEY, key) is None:
        raise DotenvError(
            f"{place}: Validation failed: Key can contain only letters, digits and '_'."
        )
    if len(key) > _KEY_LIMIT:
        raise DotenvError(
            f"{place}: Validation failed: Key is too long (maximum is {_KEY_LIMIT} characters)"
        )
    return key, value
