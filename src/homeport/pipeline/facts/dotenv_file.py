"""`.env` lines as people write them by hand: `export`, comments, quotes over several lines.

Source: the npm package dotenv, which gitlab-ci-local reads them with. GitLab's dotenv reports have
stricter rules (`execute/dotenv.py`).
"""

import re
from collections.abc import Iterator

_START = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*(?:=|:[ \t])[ \t]*")
_ESCAPES = {"n": "\n", "r": "\r"}


def parse_env_lines(text: str) -> Iterator[tuple[str, str]]:
    """Names and values in order; a line that is no assignment is passed over."""
    at = 0
    while at < len(text):
        end = _line_end(text, at)
        start = _START.match(text, at, end)
        if start is None:
            at = end + 1
            continue
        quote = text[start.end() : start.end() + 1]
        closing = _closing(text, start.end(), quote)
        if closing is None:
            value = text[start.end() : end].partition("#")[0].strip()
            yield start[1], value
        else:
            value = text[start.end() + 1 : closing]
            yield start[1], _unescape(value) if quote == '"' else value
            end = _line_end(text, closing)
        at = end + 1


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found


def _closing(text: str, at: int, quote: str) -> int | None:
    """Where the quoted value that starts at `at` ends; None if it is not quoted, or never ends."""
    if quote not in ("'", '"', "`") or not quote:
        return None
    found = re.compile(rf"(?:\\.|[^\\{quote}])*{quote}", re.DOTALL).match(text, at + 1)
    return found.end() - 1 if found else None


def _unescape(value: str) -> str:
    return re.sub(r"\\([nr])", lambda match: _ESCAPES[match[1]], value)
