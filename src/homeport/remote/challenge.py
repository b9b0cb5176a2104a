"""WWW-Authenticate (RFC 9110, sections 11.2 and 11.6.1)."""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_SPACE = re.compile(r"[ \t]*")
_SEPARATORS = re.compile(r"[ \t,]*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BARE = re.compile(r'[^\s,"=][^\s,"]*')
_MAX_LENGTH = 8192
_MAX_CHALLENGES = 16


class Challenge(Struct, frozen=True, kw_only=True):
    """`scheme` and the names of `parameters` are in lower case."""

    scheme: str
    parameters: Mapping[str, str] = {}


def parse_challenges(lines: Iterable[str]) -> tuple[Challenge, ...]:
    """All challenges of all header lines. What cannot be read ends its line: a registry's mistake
    must not hide a challenge that came before it."""
    found: list[Challenge] = []
    for line in lines:
        if len(line) <= _MAX_LENGTH:
            found += _parse_line(line)
    return tuple(found[:_MAX_CHALLENGES])


def _parse_line(line: str) -> list[Challenge]:
    found: list[Challenge] = []
    position = _skip(_SEPARATORS, line, 0)
    while position < len(line) and len(found) < _MAX_CHALLENGES:
        scheme = _TOKEN.match(line, position)
        if scheme is None:
            break
        position = _skip(_SPACE, line, scheme.end())
        parameters, position = _parse_parameters(line, position)
        found.append(Challenge(scheme=scheme[0].lower(), parameters=parameters))
        after = _skip(_SEPARATORS, line, position)
        if after == position:
            break
        position = after
    return found


def _parse_parameters(line: str, position: int) -> tuple[dict[str, str], int]:
    """The parameters from here on, and where they end: before a word that has no value, which is
    the next challenge's scheme."""
    parameters: dict[str, str] = {}
    lone = _TOKEN68.match(line, position)
    if lone is not None and _parameter(line, position) is None:
        rest = line[_skip(_SPACE, line, lone.end()) :]
        if not rest or rest.startswith(","):  # credentials of the form token68
            return parameters, lone.end()
    while True:
        found = _parameter(line, position)
        if found is None:
            return parameters, position
        name, text, end = found
        # The first one counts: a second `realm` is a mistake, or an attempt.
        parameters.setdefault(name, text)
        after = _skip(_SEPARATORS, line, end)
        if after == end or _parameter(line, after) is None:
            return parameters, end
        position = after


def _parameter(line: str, position: int) -> tuple[str, str, int] | None:
    name = _TOKEN.match(line, position)
    if name is None:
        return None
    equals = _skip(_SPACE, line, name.end())
    if equals >= len(line) or line[equals] != "=":
        return None
    start = _skip(_SPACE, line, equals + 1)
    quoted = _QUOTED.match(line, start)
    if quoted is not None:
        return name[0].lower(), re.sub(r"\\(.)", r"\1", quoted[1]), quoted.end()
    # Some registries do not quote URLs; everything up to a comma or space is the value then.
    bare = _BARE.match(line, start)
    if bare is None:
        return None
    return name[0].lower(), bare[0], bare.end()


def _skip(pattern: re.Pattern[str], line: str, position: int) -> int:
    found = pattern.match(line, position)
    return position if found is None else found.end()
