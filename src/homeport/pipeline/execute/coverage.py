"""The coverage figure in a job's log.

GitLab's rule (Gitlab::Ci::Trace::Stream#extract_coverage): the last line on which the expression
matches and its last match (or that one's last group) holds a number. Lines count as they were
printed, colours included.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from homeport.lib.regexp import InvalidPatternError, compile_pattern

_BLOCK = 64 * 1024
_MAX_LINE = 1024 * 1024
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"


def find_coverage(expression: str, log: Path) -> str | None:
    """The figure as printed, such as `98.2`; None without one, or if the expression is bad."""
    try:
        pattern = compile_pattern(expression.encode("utf-8", "surrogateescape"))
    except InvalidPatternError:
        return None
    for line in _backwards(log):
        last = None
        for match in pattern.finditer(line):
            last = match
        if last is None:
            continue
        # Ruby's scan gives groups where there are some, and `last` of those may be no match.
        text = last[last.re.groups]
        if text is None:
            return None
        number = re.search(_NUMBER, text.decode("utf-8", "replace"))
        if number is not None:
            return number[0]
    return None


def _backwards(log: Path) -> Iterator[bytes]:
    """The lines of a file from its end, without their line ends; a huge line is cut."""
    with log.open("rb") as file:
        position = file.seek(0, 2)
        rest = b""
        while position:
            size = min(_BLOCK, position)
            position -= size
            file.seek(position)
            first, *lines = (file.read(size) + rest).split(b"\n")
            rest = first[:_MAX_LINE]
            yield from (line.removesuffix(b"\r") for line in reversed(lines))
        yield rest.removesuffix(b"\r")
