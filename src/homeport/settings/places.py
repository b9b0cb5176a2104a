"""Where each key of a TOML text was written. tomllib keeps no places.

In: text that tomllib has accepted. Out: path of keys and indices → offset. Only errors (and the
origin of a setting) need it, so it is read once and on demand.
"""

import contextlib
import re
from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache

from homeport.settings.source import KeyPath

DEPTH = 32
"""No setting lies deeper; a hostile file's own depth must not cost its square."""

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = r'"(?:[^"\\\n]|\\.)*"'
_LITERAL = r"'[^'\n]*'"
_QUOTED = re.compile(f"{_BASIC}|{_LITERAL}")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    f"|{_BASIC}|{_LITERAL}",
    re.DOTALL,
)
_OTHER = re.compile(r"[^,\]}#\r\n]*")


class _Scanner:
    """Reads valid TOML once from front to back; every step moves on or raises."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._arrays: dict[KeyPath, int] = {}
        self.found: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        self._space()
        while self._at < len(self._text):
            start = self._at
            if self._text[start] == "[":
                table = self._header()
                self._note(table, start)
            else:
                self._pair(table)
            self._space()

    def _header(self) -> KeyPath:
        double = self._text.startswith("[[", self._at)
        self._skip("[[" if double else "[")
        keys = self._keys()
        self._skip("]]" if double else "]")
        table: KeyPath = ()
        for key in keys[:-1]:
            table = self._newest((*table, key))
        table = (*table, keys[-1])
        if double:
            self._arrays[table] = self._arrays.get(table, -1) + 1
        return self._newest(table)

    def _newest(self, table: KeyPath) -> KeyPath:
        """A table's path, or that of the last element so far of an array of tables."""
        index = self._arrays.get(table)
        return table if index is None else (*table, index)

    def _pair(self, table: KeyPath) -> None:
        start = self._at
        path = (*table, *self._keys())
        self._note(path, start)
        self._skip("=")
        self._value(path)

    def _keys(self) -> list[str]:
        keys = [self._key()]
        while self._text.startswith(".", self._at):
            self._skip(".")
            keys.append(self._key())
            if len(keys) > DEPTH:
                raise ValueError("too deep")
        return keys

    def _key(self) -> str:
        found = _QUOTED.match(self._text, self._at) or _BARE.match(self._text, self._at)
        if found is None:
            raise ValueError("no key")
        self._at = found.end()
        self._space()
        key = found.group()
        if key[0] == "'" or (key[0] == '"' and "\\" not in key):
            return key[1:-1]
        if key[0] == '"':
            import tomllib

            return str(tomllib.loads(f"key = {key}")["key"])
        return key

    def _value(self, path: KeyPath) -> None:
        first = self._text[self._at : self._at + 1]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline(path)
        else:
            kind = _STRING if first in ("'", '"') else _OTHER
            found = kind.match(self._text, self._at)
            if found is None or found.end() == self._at:
                raise ValueError("no value")
            self._at = found.end()

    def _array(self, path: KeyPath) -> None:
        self._skip("[")
        index = 0
        while not self._text.startswith("]", self._at):
            self._note((*path, index), self._at)
            self._value((*path, index))
            index += 1
            self._comma("]")
        self._at += 1

    def _inline(self, path: KeyPath) -> None:
        self._skip("{")
        while not self._text.startswith("}", self._at):
            self._pair(path)
            self._comma("}")
        self._at += 1

    def _comma(self, end: str) -> None:
        self._space()
        if not self._text.startswith(end, self._at):
            self._skip(",")

    def _skip(self, token: str) -> None:
        if not self._text.startswith(token, self._at):
            raise ValueError(f"no {token}")
        self._at += len(token)
        self._space()

    def _space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = self._at if found is None else found.end()

    def _note(self, path: KeyPath, offset: int) -> None:
        """The first place wins: a table's own header is where it begins."""
        for length in range(min(len(path), DEPTH), 0, -1):
            self.found.setdefault(path[:length], offset)


@lru_cache(maxsize=2)
def places(text: str) -> Mapping[KeyPath, int]:
    """Offset of every key, table and element of an array; what was found before it stopped, should
    the text not be what it is thought to be."""
    scanner = _Scanner(text)
    with contextlib.suppress(ValueError, RecursionError):
        scanner.document()
    return scanner.found


@lru_cache(maxsize=2)
def _dotted(text: str) -> Mapping[str, KeyPath]:
    found: dict[str, KeyPath] = {}
    for path in places(text):
        found.setdefault(".".join(map(str, path)), path)
    return found


def path_of(text: str, dotted: str) -> KeyPath:
    """The longest beginning of a dotted key that was written, also with quotes around a part."""
    found = _dotted(text)
    while dotted:
        if dotted in found:
            return found[dotted]
        dotted = dotted.rpartition(".")[0]
    return ()


@lru_cache(maxsize=2)
def _lines(text: str) -> list[int]:
    return [0, *(found.end() for found in re.finditer("\n", text))]


def position(text: str, path: KeyPath) -> tuple[int, int]:
    """Line and column, from 1, of the longest beginning of `path` that was written."""
    found = places(text)
    for length in range(min(len(path), DEPTH), 0, -1):
        offset = found.get(path[:length])
        if offset is not None:
            starts = _lines(text)
            line = bisect_right(starts, offset)
            return line, offset - starts[line - 1] + 1
    return 1, 1
