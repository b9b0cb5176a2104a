"""The mirror's globs: `*` stays inside a part of a path, `**` crosses `/`, `?` is one character.

One grammar for rules, claims, lifetimes of tags, immutable tags, pins and questions to the audit.
RE2 matches in linear time, whatever a pattern's author and a client's name do together.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

import re2

Matcher = Callable[[str], bool]

MAX_GLOB = 512
_WILD = frozenset("*?")
_QUIET = re2.Options()
_QUIET.log_errors = False
_QUIET.dot_nl = True


def is_wild(pattern: str) -> bool:
    return not _WILD.isdisjoint(pattern)


def glob_fault(pattern: str) -> str | None:
    """What is wrong with a pattern, None if nothing is."""
    if not pattern:
        return "a pattern is not empty"
    if len(pattern) > MAX_GLOB:
        return f"a pattern has at most {MAX_GLOB} characters"
    if "***" in pattern:
        return f"{pattern!r}: three stars mean nothing"
    if not pattern.isprintable():
        return f"{pattern!r} holds characters that cannot be seen"
    return None


@lru_cache(maxsize=4096)
def compile_glob(pattern: str) -> Matcher:
    """A matcher of whole texts. Raises ValueError with the words of `glob_fault`."""
    fault = glob_fault(pattern)
    if fault is not None:
        raise ValueError(fault)
    if not is_wild(pattern):
        return pattern.__eq__
    match = re2.compile(_expression(pattern), _QUIET).fullmatch
    return lambda text: match(text) is not None


def any_glob(patterns: Iterable[str]) -> Matcher:
    """A matcher of texts that one of the patterns matches; of none for no patterns."""
    given = tuple(patterns)
    literal = frozenset(pattern for pattern in given if not is_wild(pattern))
    wild = tuple(compile_glob(pattern) for pattern in given if is_wild(pattern))
    return lambda text: text in literal or any(match(text) for match in wild)


def _expression(pattern: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**", at):
            out.append(".*")
            at += 2
            continue
        char = pattern[at]
        out.append("[^/]*" if char == "*" else "[^/]" if char == "?" else re2.escape(char))
        at += 1
    return "".join(out)
