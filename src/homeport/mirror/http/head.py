"""The head of an answer as bytes."""

import time
from collections.abc import Iterable
from email.utils import formatdate
from http import HTTPStatus

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_date = (0, "")


class HeaderError(Exception):
    """A header that would break out of its line."""


def status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n"


def http_date() -> str:
    """The Date header's text (RFC 9110, 6.6.1), made once a second."""
    global _date  # noqa: PLW0603 - a cache of one
    now = int(time.time())
    if _date[0] != now:
        _date = (now, formatdate(now, usegmt=True))
    return _date[1]


def encode_head(status: int, fields: Iterable[tuple[str, str]], more: str = "") -> bytes:
    """Status line and headers, with `more` complete lines. Raises HeaderError."""
    lines = [f"{name}: {text}\r\n" for name, text in fields]
    head = f"{status_line(status)}Date: {http_date()}\r\n{more}{''.join(lines)}\r\n"
    count = len(lines) + 3 + more.count("\n")
    if head.count("\n") != count or head.count("\r") != count or "\0" in head:
        raise HeaderError("a header's text holds a line break or a NUL")
    return head.encode("utf-8", "replace")
