"""Change some keys or tables of a TOML file and leave every other byte as it was.

A way through the file is a sequence of keys; a number (or its digits) leads into an array of
tables. Comments, order, indentation and line ends stay. Every edit is read again before it is
handed out: if anything but what was asked for had changed, it raises.
"""

import copy
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Optional

from homeport.enroll.errors import BrokenFileError, EnrollError
from homeport.enroll.formats.toml_read import (
    Document,
    Entry,
    Key,
    Path,
    Section,
    get_key,
    parse,
)

__all__ = ["add_table", "drop_key", "get_key", "parse", "remove_table", "set_key", "write_key"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def set_key(text: str, path: str, keys: Sequence[Key], value: Any) -> str:
    """The text with a key set; tables on the way are made where they are missing."""
    document = parse(text, path)
    way = _way(document, keys)
    wanted = _expected(document, path, way, value)
    entry = document.entries.get(way)
    if entry is not None:
        changed = text[: entry.value] + write_value(value) + text[entry.end :]
    elif get_key(document.values, way)[0]:
        raise _refused(document, path, way, "is a table")
    else:
        changed = _add(document, way, value)
    return _checked(changed, path, wanted)


def drop_key(text: str, path: str, keys: Sequence[Key]) -> str:
    """The text without a key, its line with it; tables that become empty stay. A table goes as
    `remove_table` has it."""
    document = parse(text, path)
    way = _way(document, keys)
    entry = document.entries.get(way)
    if entry is None:
        return remove_table(text, path, keys) if get_key(document.values, way)[0] else text
    wanted = copy.deepcopy(document.values)
    del get_key(wanted, way[:-1])[1][way[-1]]
    holder = _inline_holder(document, entry)
    if holder is None:
        start, end = _lines(text, entry.start, entry.end)
        changed = text[:start] + text[end:]
    else:
        inner = holder.inner or []
        at = inner.index(entry)
        if at + 1 < len(inner):
            changed = text[: entry.start] + text[inner[at + 1].start :]
        elif at > 0:
            changed = text[: inner[at - 1].end] + text[entry.end :]
        else:
            changed = text[: holder.value] + "{}" + text[holder.end :]
    return _checked(changed, path, _without_empty(wanted, changed, path, way))


def add_table(
    text: str, path: str, keys: Sequence[Key], values: Mapping[str, Any], *, array: bool = False
) -> str:
    """The text with a `[table]`, or one more `[[table]]`, after its kin or at the end."""
    document = parse(text, path)
    way = _way(document, keys)
    found, there = get_key(document.values, way)
    wanted = copy.deepcopy(document.values)
    if array:
        if found and (way in document.entries or not isinstance(there, list)):
            raise _refused(document, path, way, "is no array of tables")
        _put(wanted, way, [*(copy.deepcopy(there) if found else []), dict(values)])
    else:
        if found:
            raise _refused(document, path, way, "is there already")
        _put(wanted, way, dict(values))
    return _checked(_insert(document, way, values, array=array), path, wanted)


def remove_table(text: str, path: str, keys: Sequence[Key]) -> str:
    """The text without a table, its tables below and one empty line above."""
    document = parse(text, path)
    way = _way(document, keys)
    if not way or not get_key(document.values, way)[0]:
        return text
    wanted = copy.deepcopy(document.values)
    _, holder = get_key(wanted, way[:-1])
    del holder[way[-1]]
    spans = [
        (*_section_lines(text, section), True)
        for section in document.sections[1:]
        if section.keys[: len(way)] == way
    ]
    spans += [
        (*_lines(text, entry.start, entry.end), False)
        for section in document.sections
        for entry in section.entries
        if entry.keys[: len(way)] == way and section.keys[: len(way)] != way
    ]
    changed = text
    for start, end, header in sorted(spans, reverse=True):
        begin = _blank_above(changed, start) if header else start
        changed = changed[:begin] + changed[end:]
    if way[:-1] and isinstance(way[-1], int) and not holder:  # an array of tables needs one
        del get_key(wanted, way[:-2])[1][way[-2]]
    return _checked(changed, path, _without_empty(wanted, changed, path, way))


def write_key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _quoted(key)


def write_value(value: Any) -> str:
    """On one line. Raises ValueError for what TOML has not (None)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        inside = ", ".join(f"{write_key(key)} = {write_value(value[key])}" for key in value)
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(write_value, value))}]"
    raise ValueError(f"TOML has no {type(value).__name__}")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _add(document: Document, way: Path, value: Any) -> str:
    """A key that is not there."""
    text = document.text
    for depth in range(len(way) - 1, 0, -1):  # within an inline table
        holder = document.entries.get(way[:depth])
        if holder is not None and holder.inner is not None:
            return _add_inline(text, holder, way[depth:], value)
    for section in document.sections:
        if section.keys == way[:-1]:
            return _add_line(document, section, (way[-1],), value)
    for section in document.sections:  # a table that dotted keys have made
        for entry in reversed(section.entries):
            if len(entry.keys) > len(way) - 1 > len(section.keys) and (
                entry.keys[: len(way) - 1] == way[:-1]
            ):
                return _add_line(document, section, way[len(section.keys) :], value, after=entry)
    return _insert(document, way[:-1], {str(way[-1]): value}, array=False)


def _add_inline(text: str, holder: Entry, rest: Path, value: Any) -> str:
    written = f"{'.'.join(write_key(str(key)) for key in rest)} = {write_value(value)}"
    if not holder.inner:
        return f"{text[: holder.value]}{{ {written} }}{text[holder.end :]}"
    end = holder.inner[-1].end
    return f"{text[:end]}, {written}{text[end:]}"


def _add_line(
    document: Document, section: Section, rest: Path, value: Any, after: Optional[Entry] = None
) -> str:
    """One more line of a section."""
    text, newline = document.text, _newline(document.text)
    line = f"{'.'.join(write_key(str(key)) for key in rest)} = {write_value(value)}"
    last = after or (section.entries[-1] if section.entries else None)
    if last is not None:
        indent = _indent(text, last.start)
        return _after_line(text, last.end, f"{indent}{line}{newline}")
    if section.keys:
        indent = _indent(text, section.start) + _unit(document)
        return _after_line(text, section.end, f"{indent}{line}{newline}")
    if len(document.sections) == 1:
        return _after_line(text, len(text), f"{line}{newline}") if text else f"{line}{newline}"
    start = _lines(text, document.sections[1].start, document.sections[1].start)[0]
    while start > 0:  # above the comment of the first table
        above = text.rfind("\n", 0, start - 1) + 1
        if not text[above:start].lstrip(" \t").startswith("#"):
            break
        start = above
    return f"{text[:start]}{line}{newline}{newline}{text[start:]}"


def _insert(document: Document, way: Path, values: Mapping[str, Any], *, array: bool) -> str:
    """A new section after those that share the most of its way, else at the end."""
    text, newline = document.text, _newline(document.text)
    kin, indent = _kin(document, way)
    names = ".".join(write_key(key) for key in way if isinstance(key, str))
    inner = indent + _unit(document)
    lines = [f"{indent}{'[[' if array else '['}{names}{']]' if array else ']'}"]
    lines += [f"{inner}{write_key(key)} = {write_value(values[key])}" for key in values]
    block = "".join(line + newline for line in lines)
    if not text.strip():
        return text + block
    end = len(text) if kin is None else _section_lines(text, kin)[1]
    return _after_line(text, end, newline + block)


def _kin(document: Document, way: Path) -> tuple[Optional[Section], str]:
    """The section after which a new one stands, None for the end; and its indentation."""
    for depth in range(len(way), 0, -1):
        kin = [one for one in document.sections[1:] if one.keys[:depth] == way[:depth]]
        if kin:
            text = document.text
            near = [one for one in kin if len(one.keys) == len(way)] or kin
            last = kin[-1] is document.sections[-1]
            indent = _indent(text, near[-1].start)
            if len(near[-1].keys) < len(way):
                indent += _unit(document) if _nests(document) else ""
            return (None if last else kin[-1]), indent
    return None, ""


def _nests(document: Document) -> bool:
    return any(_indent(document.text, one.start) for one in document.sections[1:])


def _unit(document: Document) -> str:
    """What keys are indented by below their header."""
    for section in document.sections[1:]:
        if section.entries:
            header = _indent(document.text, section.start)
            inner = _indent(document.text, section.entries[0].start)
            return inner[len(header) :] if inner.startswith(header) else ""
    return ""


def _after_line(text: str, position: int, added: str) -> str:
    """`added` after the line that holds `position` (or before the line that it begins)."""
    end = position
    if position and text[position - 1 : position] != "\n":
        found = text.find("\n", position)
        end = len(text) if found < 0 else found + 1
    if end == len(text) and text and not text.endswith("\n"):
        return text + _newline(text) + added
    return text[:end] + added + text[end:]


def _lines(text: str, start: int, end: int) -> tuple[int, int]:
    """From where a line begins to where that of `end` has ended."""
    found = text.find("\n", end)
    return text.rfind("\n", 0, start) + 1, len(text) if found < 0 else found + 1


def _section_lines(text: str, section: Section) -> tuple[int, int]:
    end = section.entries[-1].end if section.entries else section.end
    return _lines(text, section.start, end)


def _blank_above(text: str, start: int) -> int:
    above = text.rfind("\n", 0, start - 1) + 1 if start else 0
    return above if start and not text[above:start].strip(" \t\r\n") else start


def _indent(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    line = text[start:position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _way(document: Document, keys: Sequence[Key]) -> Path:
    """The keys as the document has them: digits become numbers where they lead into an array."""
    current: Any = document.values
    way: list[Key] = []
    for key in keys:
        is_index = isinstance(current, list) and str(key).isdigit()
        way.append(int(key) if is_index else key)
        current = get_key(current, (way[-1],))[1]
    return tuple(way)


def _inline_holder(document: Document, entry: Entry) -> Optional[Entry]:
    for depth in range(len(entry.keys) - 1, 0, -1):
        holder = document.entries.get(entry.keys[:depth])
        if holder is not None and holder.inner is not None and entry in holder.inner:
            return holder
    return None


def _expected(document: Document, path: str, way: Path, value: Any) -> Any:
    wanted = copy.deepcopy(document.values)
    for depth in range(1, len(way)):
        found, there = get_key(document.values, way[:depth])
        is_way = isinstance(there, dict) or (
            isinstance(there, list)
            and isinstance(way[depth], int)
            and way[depth] in range(len(there))
        )
        if found and not is_way:
            raise _refused(document, path, way[:depth], "is no table")
    _put(wanted, way, value)
    return wanted


def _put(values: Any, way: Path, value: Any) -> None:
    for key in way[:-1]:
        values = values[int(key)] if isinstance(values, list) else values.setdefault(key, {})
    values[way[-1]] = value


def _without_empty(wanted: Any, changed: str, path: str, way: Path) -> Any:
    """Tables on the way that only the dropped key had made are gone with it."""
    values = parse(changed, path).values
    for depth in range(len(way) - 1, 0, -1):
        found, there = get_key(wanted, way[:depth])
        if found and there == {} and not get_key(values, way[:depth])[0]:
            del get_key(wanted, way[: depth - 1])[1][way[depth - 1]]
    return wanted


def _refused(document: Document, path: str, way: Path, words: str) -> BrokenFileError:
    name = ".".join(map(str, way))
    return BrokenFileError(path, *document.place(*way), f"{name} {words}")


def _checked(changed: str, path: str, wanted: Any) -> str:
    if repr(parse(changed, path).values) != repr(wanted) and parse(changed, path).values != wanted:
        raise EnrollError(f"{path} cannot be edited without changing more than one key", place=path)
    return changed
