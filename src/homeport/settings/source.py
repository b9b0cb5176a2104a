"""One settings file as plain data, with the place of each key."""

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from homeport.errors import Problem, Span, UsageError

REPOSITORY_FILE = "homeport.toml"
MAX_BYTES = 1024 * 1024

KeyPath = tuple[str | int, ...]
"""Of keys and indices: `("mirror", "rules", 0, "name")`."""


class Source(Struct, frozen=True, kw_only=True):
    """A file that was read. `name` is the path as errors show it, `text` its whole content."""

    name: str
    text: str
    data: Mapping[str, Any]

    def span(self, key: str | KeyPath) -> Span:
        """Where a key was written (a path, or dotted), or the table that holds it; the file's start
        when that cannot be told."""
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
        is_link = error.errno == errno.ELOOP and not trusted
        detail = "it is a symbolic link" if is_link else error.strerror
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


def locate(text: str, name: str, key: str | KeyPath) -> Span:
    """The place of a key in TOML text that is known to be valid, or of the table that holds it.

    `key` is a path of keys and indices, or dotted: a dotted key is also found where a name with
    dots stood in quotes.
    """
    from homeport.settings.places import path_of, position  # most files are read without a fault

    line, column = position(text, path_of(text, key) if isinstance(key, str) else key)
    return Span(name, line, column)
