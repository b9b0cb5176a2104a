"""The Range header (RFC 9110, 14.1 and 14.2) over content whose size is known. Pure."""

import re

from msgspec import Struct

_RANGES = re.compile(r"\s*bytes\s*=\s*(.*?)\s*", re.IGNORECASE)
_ONE = re.compile(r"([0-9]{0,100})\s*-\s*([0-9]{0,100})")


class Span(Struct, frozen=True):
    """Bytes from `start` up to but without `stop`; never empty."""

    start: int
    stop: int

    def content_range(self, size: int) -> str:
        return f"bytes {self.start}-{self.stop - 1}/{size}"


class UnsatisfiableError(Exception):
    """416: nothing of the content is in the range."""


def parse_range(header: str | None, size: int) -> Span | None:
    """The one range that is asked for; None means the whole content.

    The whole is also the answer to several ranges, other units and what is no range at all: a
    server may ignore them. An inverted range (`500-0`) and one beyond the end raise
    UnsatisfiableError, as does `-0`.
    """
    found = _RANGES.fullmatch(header or "")
    one = None if found is None else _ONE.fullmatch(found[1])
    if one is None or not (one[1] or one[2]):
        return None
    if not one[1]:
        length = int(one[2])
        if length == 0:
            raise UnsatisfiableError
        return Span(max(0, size - length), size) if size else None
    start, stop = int(one[1]), min(int(one[2]) + 1, size) if one[2] else size
    if start >= stop:
        raise UnsatisfiableError
    return Span(start, stop)


def is_current(if_range: str | None, etag: str) -> bool:
    """If-Range (RFC 9110, 13.1.5): whether Range may be honoured. Only the strong entity tag will
    do; a date is never that of a blob."""
    return if_range is None or if_range.strip() == etag
