"""Read TOML 1.0, strictly, and remember where everything stands.

Python 3.9 has no reader of its own. A key or table that comes twice is refused, as is what engines'
readers differ about: bytes that are no UTF-8, a byte order mark, integers beyond 64 bits.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional, Union

from homeport.enroll.formats.place import place
from homeport.enroll.formats.toml_scalars import NEWLINE, Scalars

Key = Union[str, int]
Path = tuple[Key, ...]

DEPTH = 64
_COMMENT = re.compile(r"#[^\x00-\x08\x0a-\x1f\x7f]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Entry(NamedTuple):
    """`KEY = VALUE`: `start` is where the key begins, `value` where its value does, `end` where it
    ends; `keys` leads to it from the root; `inner` are the entries of an inline table."""

    keys: Path
    start: int
    value: int
    end: int
    inner: "Optional[list[Entry]]"


class Section(NamedTuple):
    """A `[table]`, a `[[table]]` or, first, the root; `start` and `end` are those of its header."""

    keys: Path
    start: int
    end: int
    entries: list[Entry]


class Document(NamedTuple):
    """Values, and the places of keys and tables by the way to them."""

    values: dict[str, Any]
    sections: list[Section]
    entries: dict[Path, Entry]
    text: str

    def place(self, *keys: Key) -> tuple[int, int]:
        """Line and column of a key, or of what holds it."""
        entry = self.entries.get(keys)
        if entry is not None:
            return place(self.text, entry.start)
        for section in self.sections:
            if section.keys[: len(keys)] == keys:
                return place(self.text, section.start)
        return self.place(*keys[:-1]) if keys else (1, 1)


class _Table:
    """A table being read. `section` is that which made it by dotted keys; `closed` one that a
    header has defined, `frozen` an inline one."""

    __slots__ = ("closed", "frozen", "section", "values")

    def __init__(self, section: int = -1, *, closed: bool = False) -> None:
        self.values: dict[str, Any] = {}
        self.section = section
        self.closed = closed
        self.frozen = False


class _Tables(list):  # type: ignore[type-arg]
    """An array of tables, each of which had a header."""


def parse(text: str, path: str) -> Document:
    """Raises BrokenFileError with the place in `path`."""
    return _Reader(text, path).document()


def get_key(values: Any, keys: Path) -> tuple[bool, Any]:
    """Whether there is one, and its value; a number leads into an array."""
    current: Any = values
    for key in keys:
        if isinstance(current, Mapping) and key in current:
            current = current[key]
        elif isinstance(current, list) and str(key).isdigit() and int(key) < len(current):
            current = current[int(key)]
        else:
            return False, None
    return True, current


class _Reader(Scalars):
    def __init__(self, text: str, path: str) -> None:
        super().__init__(text, path)
        self._root = _Table(closed=True)
        self._table = self._root
        self._sections = [Section((), 0, 0, [])]
        self._entries: dict[Path, Entry] = {}

    def document(self) -> Document:
        text = self._text
        odd = _SURROGATE.search(text)
        if odd is not None:
            raise self.broken(odd.start(), "it is not UTF-8")
        if text.startswith("\ufeff"):
            raise self.broken(0, "it begins with a byte order mark")
        position = 0
        while position < len(text):
            position = self.blank(position)
            sign = text[position : position + 1]
            if sign == "[":
                position = self._header(position)
            elif sign not in ("", "\n", "\r", "#"):
                position = self._pair(position)
            position = self._line_end(position)
        return Document(_plain(self._root), self._sections, self._entries, text)

    def _line_end(self, position: int) -> int:
        """Past what may end a line: a comment and the line's end."""
        position = self._comment(self.blank(position))
        if position == len(self._text):
            return position
        found = NEWLINE.match(self._text, position)
        if found is None:
            raise self.broken(position, "the line goes on where it should end")
        return found.end()

    def _comment(self, position: int) -> int:
        found = _COMMENT.match(self._text, position)
        return found.end() if found else position

    def _filling(self, position: int) -> int:
        """Past blanks, comments and line ends within an array."""
        while True:
            position = self._comment(self.blank(position))
            found = NEWLINE.match(self._text, position)
            if found is None:
                return position
            position = found.end()

    # Tables

    def _header(self, start: int) -> int:
        text = self._text
        many = text.startswith("[[", start)
        keys, position = self._key(self.blank(start + (2 if many else 1)))
        ending = "]]" if many else "]"
        if not text.startswith(ending, position):
            raise self.broken(position, f"{ending} is missing")
        end = position + len(ending)
        holder, way = self._parent(keys, start)
        name = keys[-1]
        there = holder.values.get(name)
        if many:
            if there is None:
                there = holder.values[name] = _Tables()
            if not isinstance(there, _Tables):
                raise self.broken(start, f"{_dotted(keys)} is something else already")
            self._table = _Table(closed=True)
            there.append(self._table)
            way = (*way, name, len(there) - 1)
        else:
            if there is None:
                there = holder.values[name] = _Table()
            if not isinstance(there, _Table) or there.frozen:
                raise self.broken(start, f"{_dotted(keys)} is something else already")
            if there.closed or there.section >= 0:
                raise self.broken(start, f"the table {_dotted(keys)} comes twice")
            there.closed = True
            self._table = there
            way = (*way, name)
        self._sections.append(Section(way, start, end, []))
        return end

    def _parent(self, keys: list[str], start: int) -> tuple[_Table, Path]:
        """The table that holds a header's last key, made where it is missing."""
        holder = self._root
        way: Path = ()
        for key in keys[:-1]:
            there = holder.values.get(key)
            way = (*way, key)
            if there is None:
                there = holder.values[key] = _Table()
            if isinstance(there, _Tables):
                way = (*way, len(there) - 1)
                there = there[-1]
            if not isinstance(there, _Table) or there.frozen:
                raise self.broken(start, f"{key} is no table")
            holder = there
        return holder, way

    def _pair(self, start: int) -> int:
        section = self._sections[-1]
        entry = self._entry(start, self._table, section.keys, len(self._sections), 0)
        section.entries.append(entry)
        return entry.end

    def _entry(self, start: int, table: _Table, way: Path, section: int, depth: int) -> Entry:
        """A `KEY = VALUE`, put into its table. `section` tells tables that these keys made from
        those that stood there before."""
        keys, position = self._key(start)
        if not self._text.startswith("=", position):
            raise self.broken(position, "= is missing")
        holder = table
        for key in keys[:-1]:
            there = holder.values.get(key)
            if there is None:
                there = holder.values[key] = _Table(section)
            if not isinstance(there, _Table) or there.frozen or there.closed:
                raise self.broken(start, f"{key} is something else already")
            if there.section not in (-1, section):
                raise self.broken(start, f"the table {key} comes twice")
            there.section = section
            holder = there
        if keys[-1] in holder.values:
            raise self.broken(start, f"the key {_dotted(keys)} comes twice")
        path: Path = (*way, *keys)
        value, end, inner = self._value(self.blank(position + 1), path, depth)
        holder.values[keys[-1]] = value
        entry = Entry(path, start, self.blank(position + 1), end, inner)
        self._entries[path] = entry
        return entry

    def _key(self, start: int) -> tuple[list[str], int]:
        """A key of one or more parts, and the place behind it and its blanks."""
        keys: list[str] = []
        position = start
        while True:
            sign = self._text[position : position + 1]
            if sign in ('"', "'") and sign:
                part, position = self.string(position)
            else:
                found = _BARE.match(self._text, position)
                if found is None:
                    raise self.broken(position, "a key is missing or not valid")
                part, position = found.group(), found.end()
            keys.append(part)
            if len(keys) > DEPTH:
                raise self.broken(start, "it is nested too deeply")
            position = self.blank(position)
            if not self._text.startswith(".", position):
                return keys, position
            position = self.blank(position + 1)

    # Values

    def _value(self, start: int, way: Path, depth: int) -> tuple[Any, int, Optional[list[Entry]]]:
        if depth > DEPTH:
            raise self.broken(start, "it is nested too deeply")
        sign = self._text[start : start + 1]
        if sign == "{":
            return self._inline(start, way, depth)
        if sign == "[":
            values, end = self._array(start, way, depth)
            return values, end, None
        if sign and sign in "\"'":
            if self._text.startswith(sign * 3, start):
                value, end = self.long_string(start)
            else:
                value, end = self.string(start)
            return value, end, None
        return (*self.scalar(start), None)

    def _inline(self, start: int, way: Path, depth: int) -> tuple[_Table, int, list[Entry]]:
        table = _Table()
        entries: list[Entry] = []
        position = self.blank(start + 1)
        if not self._text.startswith("}", position):
            while True:
                entry = self._entry(position, table, way, 0, depth + 1)
                entries.append(entry)
                position = self.blank(entry.end)
                if self._text.startswith("}", position):
                    break
                if not self._text.startswith(",", position):
                    raise self.broken(position, "a comma or } is missing")
                position = self.blank(position + 1)
        _freeze(table)
        return table, position + 1, entries

    def _array(self, start: int, way: Path, depth: int) -> tuple[list[Any], int]:
        values: list[Any] = []
        position = self._filling(start + 1)
        while not self._text.startswith("]", position):
            value, position, _ = self._value(position, (*way, len(values)), depth + 1)
            values.append(value)
            position = self._filling(position)
            if self._text.startswith(",", position):
                position = self._filling(position + 1)
            elif not self._text.startswith("]", position):
                raise self.broken(position, "a comma or ] is missing")
        return values, position + 1


def _freeze(table: _Table) -> None:
    table.frozen = True
    for value in table.values.values():
        if isinstance(value, _Table) and not value.frozen:
            _freeze(value)


def _plain(value: Any) -> Any:
    if isinstance(value, _Table):
        return {key: _plain(inner) for key, inner in value.values.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _dotted(keys: list[str]) -> str:
    return ".".join(keys)
