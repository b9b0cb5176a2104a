"""A commit object's bytes → its facts, in GitLab's reading of title and description."""

import re

from homeport.pipeline.model.trigger import Commit

_NO_MESSAGE = "No commit message"


def parse_commit(sha: str, raw: bytes) -> Commit:
    """The facts in a commit object (gitformat-commit); never raises, whatever the bytes are.

    `timestamp` is the committer's, as in GitLab, with the offset it was written with.
    """
    head, _, body = raw.partition(b"\n\n")
    if raw.startswith(b"\n"):
        head, body = b"", raw[1:]
    headers: dict[bytes, bytes] = {}
    parents: list[str] = []
    for line in head.split(b"\n"):
        # Continued lines (a signature) start with a blank, so they are no header of their own.
        name, _, value = line.partition(b" ")
        if name == b"parent":
            parents.append(value.decode("ascii", "replace"))
        headers.setdefault(name, value)
    encoding = headers.get(b"encoding", b"utf-8").decode("ascii", "replace")
    message = _decode(body, encoding)
    author, _, _ = _split_person(_decode(headers.get(b"author", b""), encoding))
    _, seconds, offset = _split_person(_decode(headers.get(b"committer", b""), encoding))
    return Commit(
        sha=sha,
        title=title(message),
        message=message,
        description=description(message),
        timestamp=_timestamp(seconds, offset),
        author=author,
        parents=tuple(parents),
    )


def title(message: str) -> str:
    """The whole first line; GitLab's own words for an empty message."""
    return re.split("[\r\n]", message, maxsplit=1)[0] if message.strip() else _NO_MESSAGE


def description(message: str) -> str:
    """The message without its first line; all of it where that line has 100 characters or more."""
    if not message.strip():
        return _NO_MESSAGE
    if len(title(message)) >= 100:
        return message
    return message.partition("\n")[2].removesuffix("\n")


def strip_signature(message: str) -> str:
    """A tag's message without the signature at its end and the last line end."""
    cut = re.search(r"^-----BEGIN (?:PGP|SSH|SIGNED)", message, re.MULTILINE)
    return (message[: cut.start()] if cut else message).removesuffix("\n")


def _decode(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except (LookupError, UnicodeDecodeError, ValueError):
        return raw.decode("utf-8", "replace")


def _split_person(text: str) -> tuple[str, int, str]:
    """`Name <email> seconds offset` in its parts."""
    match = re.fullmatch(r"(.*>) (-?\d{1,18}) ([+-]\d{4})", text, re.DOTALL)
    return (match[1], int(match[2]), match[3]) if match else (text, 0, "+0000")


def _timestamp(seconds: int, offset: str) -> str:
    from datetime import UTC, datetime, timedelta, timezone

    minutes = int(offset[1:3]) * 60 + int(offset[3:5])
    minutes = -minutes if offset.startswith("-") else minutes
    zone = timezone(timedelta(minutes=minutes)) if abs(minutes) < 1440 else UTC
    try:
        return datetime.fromtimestamp(seconds, zone).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC).isoformat(timespec="seconds")
