"""Change some keys of a JSON object and leave every other byte as it was.

The parser is strict (RFC 8259) and refuses keys that come twice: of those an engine takes the last,
other tools the first. Edits keep order, indentation, line ends and a final newline.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from homeport.enroll.errors import BrokenFileError
from homeport.enroll.formats.place import place

_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_DEPTH = 64


class Member(NamedTuple):
    """`start` is where the key begins, `value` where its value does, `end` where that ends."""

    key: str
    start: int
    value: int
    end: int
    inner: "Optional[Object]"


class Object(NamedTuple):
    """Places of a `{…}` and of its members, in order."""

    start: int
    end: int
    members: Sequence[Member]

    def member(self, key: str) -> Optional[Member]:
        for member in self.members:
            if member.key == key:
                return member
        return None


def parse_object(text: str, path: str) -> tuple[dict[str, Any], Object]:
    """The values and their places; an empty file is refused, as Docker does. Raises
    BrokenFileError with the place in `path`."""
    reader = _Reader(text, path)
    position = reader.skip(1 if text.startswith("\ufeff") else 0)
    if text.startswith("\ufeff"):
        raise reader.broken(0, "it begins with a byte order mark")
    if position == len(text):
        raise reader.broken(0, "it is empty; an empty configuration is {}")
    if text[position] != "{":
        raise reader.broken(position, "it is not a JSON object")
    found = reader.object(position, 0)
    rest = reader.skip(found.end)
    if rest != len(text):
        raise reader.broken(rest, "something follows the end of the object")
    values = json.loads(text)
    return dict(values), found


def set_key(text: str, path: str, keys: Sequence[str], value: Any) -> str:
    """The text with `keys` (a way through objects, made where missing) set to a JSON value."""
    _, root = parse_object(text, path)
    holder = root
    for depth, key in enumerate(keys[:-1]):
        member = holder.member(key)
        if member is None:
            for missing in reversed(keys[depth + 1 :]):
                value = {missing: value}
            return _add(text, holder, key, value)
        if member.inner is None:
            at = place(text, member.value)
            raise BrokenFileError(path, *at, f"{'.'.join(keys[: depth + 1])} is not an object")
        holder = member.inner
    member = holder.member(keys[-1])
    if member is None:
        return _add(text, holder, keys[-1], value)
    written = _write(value, _line_indent(text, member.start), _unit(text), _newline(text))
    return text[: member.value] + written + text[member.end :]


def drop_key(text: str, path: str, keys: Sequence[str]) -> str:
    """The text without a key; objects that become empty stay."""
    _, holder = parse_object(text, path)
    for key in keys[:-1]:
        member = holder.member(key)
        if member is None or member.inner is None:
            return text
        holder = member.inner
    member = holder.member(keys[-1])
    if member is None:
        return text
    at = list(holder.members).index(member)
    if at + 1 < len(holder.members):  # up to where the next key begins
        return text[: member.start] + text[holder.members[at + 1].start :]
    if at > 0:  # from where the one before it ends, so that its comma goes as well
        return text[: holder.members[at - 1].end] + text[member.end :]
    return text[: holder.start] + "{}" + text[holder.end :]


def copy_key(text: str, path: str, keys: Sequence[str], source: str) -> str:
    """The text with a key as it is written in `source`, to the byte; `keys` is in both."""
    there, here = _find(source, path, keys), _find(text, path, keys)
    return text[: here.value] + source[there.value : there.end] + text[here.end :]


def line_of(text: str, path: str, keys: Sequence[str]) -> int:
    """The line where a key stands; 1 where there is none."""
    try:
        return place(text, _find(text, path, keys).start)[0]
    except KeyError:
        return 1


def _find(text: str, path: str, keys: Sequence[str]) -> Member:
    holder: Optional[Object] = parse_object(text, path)[1]
    member: Optional[Member] = None
    for key in keys:
        member = holder.member(key) if holder else None
        holder = member.inner if member else None
    if member is None:
        raise KeyError(".".join(keys))
    return member


def get_key(values: Mapping[str, Any], keys: Sequence[str]) -> tuple[bool, Any]:
    """Whether there is one, and its value."""
    current: Any = values
    for key in keys:
        if not isinstance(current, dict) or key not in current:
            return False, None
        current = current[key]
    return True, current


def _add(text: str, holder: Object, key: str, value: Any) -> str:
    """Add a last member in the manner of those that are there."""
    newline, unit = _newline(text), _unit(text)
    name = json.dumps(key, ensure_ascii=False)
    if not holder.members:
        indent = _line_indent(text, holder.start)
        written = _write(value, indent + unit, unit, newline)
        inside = f"{newline}{indent}{unit}{name}: {written}{newline}{indent}"
        return f"{text[: holder.start]}{{{inside}}}{text[holder.end :]}"
    last = holder.members[-1]
    before = text[: last.start]
    gap = before[len(before.rstrip(" \t\r\n")) :]
    if "\n" not in gap:  # all on one line
        written = json.dumps(value, ensure_ascii=False)
        gap = gap if len(holder.members) > 1 else " "
        return f"{text[: last.end]},{gap}{name}: {written}{text[last.end :]}"
    indent = gap.rpartition("\n")[2]
    written = _write(value, indent, unit, newline)
    return f"{text[: last.end]},{newline}{indent}{name}: {written}{text[last.end :]}"


def _write(value: Any, indent: str, unit: str, newline: str) -> str:
    if not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    lines = json.dumps(value, ensure_ascii=False, indent=unit).split("\n")
    return (newline + indent).join(lines)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(text: str) -> str:
    """What one level is indented by: that of the first line that is."""
    found = re.search(r"\n([ \t]+)\S", text)
    return found.group(1) if found else "  "


def _line_indent(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    found = re.match(r"[ \t]*", text[start:position])
    return found.group() if found else ""


class _Reader:
    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path

    def broken(self, position: int, message: str) -> BrokenFileError:
        line, column = place(self._text, position)
        hint = "no engine would read it; mend it first, nothing is changed"
        return BrokenFileError(self._path, line, column, message, hint=hint)

    def skip(self, position: int) -> int:
        found = _SPACE.match(self._text, position)
        return found.end() if found else position

    def object(self, start: int, depth: int) -> Object:
        if depth > _DEPTH:
            raise self.broken(start, "it is nested too deeply")
        members: list[Member] = []
        known: set[str] = set()
        position = self.skip(start + 1)
        if self._peek(position) == "}":
            return Object(start, position + 1, members)
        while True:
            member = self._member(position, depth)
            if member.key in known:
                raise self.broken(position, f"the key {member.key} comes twice")
            known.add(member.key)
            members.append(member)
            position = self.skip(member.end)
            if self._peek(position) == "}":
                return Object(start, position + 1, members)
            if self._peek(position) != ",":
                raise self.broken(position, "a comma or } is missing")
            position = self.skip(position + 1)

    def _member(self, start: int, depth: int) -> Member:
        found = _STRING.match(self._text, start)
        if found is None:
            raise self.broken(start, self._odd(start, "a key in double quotes is missing"))
        colon = self.skip(found.end())
        if self._peek(colon) != ":":
            raise self.broken(colon, "a colon is missing")
        value = self.skip(colon + 1)
        inner = self.object(value, depth + 1) if self._peek(value) == "{" else None
        end = inner.end if inner else self._value(value, depth + 1)
        return Member(json.loads(found.group()), start, value, end, inner)

    def _value(self, start: int, depth: int) -> int:
        """Where a value ends."""
        sign = self._peek(start)
        if sign == "{":
            return self.object(start, depth).end
        if sign == "[":
            return self._array(start, depth)
        pattern = _STRING if sign == '"' else _SCALAR
        found = pattern.match(self._text, start)
        if found is None:
            raise self.broken(start, self._odd(start, "a value is missing or not valid"))
        return found.end()

    def _array(self, start: int, depth: int) -> int:
        if depth > _DEPTH:
            raise self.broken(start, "it is nested too deeply")
        position = self.skip(start + 1)
        if self._peek(position) == "]":
            return position + 1
        while True:
            position = self.skip(self._value(position, depth + 1))
            if self._peek(position) == "]":
                return position + 1
            if self._peek(position) != ",":
                raise self.broken(position, "a comma or ] is missing")
            position = self.skip(position + 1)

    def _peek(self, position: int) -> str:
        return self._text[position : position + 1]

    def _odd(self, position: int, message: str) -> str:
        if self._text.startswith(("//", "/*", "#"), position):
            return "JSON has no comments"
        if self._peek(position) in ("}", "]"):
            return "a comma stands before the end"
        return message
