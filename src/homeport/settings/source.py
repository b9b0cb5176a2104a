"""One settings file as plain data, with the place of each key."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from homeport.errors import Problem, Span, UsageError

REPOSITORY_FILE = "homeport.toml"
MAX_BYTES = 1024 * 1024


class Source(Struct, frozen=True, kw_only=True):
    """A file that was read. `name` is the path as errors show it, `text` its whole content."""

    name: str
    text: str
    data: Mapping[str, Any]

    def span(self, key: str) -> Span:
        """Where a dotted key was written; the file's start when the line cannot be told."""
        return locate(self.text, self.name, key)


def read_source(path: Path, name: str, *, trusted: bool) -> Source | None:
    """The file at `path`, or None if there is none.

    A file that is not trusted must be a regular file and no link: a link would show parts of
    files elsewhere in error messages. Raises `UsageError` for all that is not readable TOML.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if trusted else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        detail = "it is a symbolic link" if path.is_symlink() else error.strerror
        raise _broken(name, f"cannot read {name}: {detail}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _broken(name, f"cannot read {name}: it is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise _broken(name, f"{name} is larger than 1 MiB")
    return _parse(content, name)


def _parse(content: bytes, name: str) -> Source:
    import tomllib

    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _broken(name, f"{name} is not UTF-8", line) from None
    try:
        return Source(name=name, text=text, data=tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        message, line, column = _position(str(error), text)
        raise _broken(name, f"invalid TOML: {message}", line, column) from None
    except RecursionError:
        raise _broken(name, f"{name} is nested too deeply") from None


def _position(message: str, text: str) -> tuple[str, int, int]:
    """`Expected x (at line 3, column 5)` → the words, 3, 5; or the end of the document."""
    words, _, place = message.rpartition(" (at ")
    numbers = [int(word) for word in place.rstrip(")").replace(",", "").split() if word.isdigit()]
    if len(numbers) == 2:
        return words, numbers[0], numbers[1]
    return words or message, text.count("\n") + 1, len(text) - text.rfind("\n")


def _broken(name: str, message: str, line: int = 1, column: int = 1) -> UsageError:
    problem = Problem(message=message, code="settings-file", span=Span(name, line, column))
    return UsageError([problem])


def locate(text: str, name: str, key: str) -> Span:
    """The line of a dotted key in TOML text that is known to be valid.

    tomllib keeps no places, so this reads table headers and bare keys; a key whose own line is
    not found (written inside an inline table) is given the line of the table that holds it.
    """
    best, place = 0, Span(name, 1, 1)
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.strip()
        if words.startswith("["):
            table = _bare(words.strip("[]").partition("]")[0])
            found = table
        elif "=" in words and not words.startswith("#"):
            left = _bare(words.partition("=")[0])
            found = f"{table}.{left}" if table else left
        else:
            continue
        if len(found) > best and f"{key}.".startswith(f"{found}."):
            best, place = len(found), Span(name, number, line.index(words[0]) + 1)
    return place


def _bare(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in dotted.split("."))
