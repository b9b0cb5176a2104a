"""Change some keys of a YAML file and leave every other byte as it was.

A key that is new comes last in its map, in the manner of its kin. Each edit is read again before it
is handed out: if anything but what was asked for had changed, it raises.
"""

import copy
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from homeport.enroll.errors import BrokenFileError, EnrollError
from homeport.enroll.formats.yaml_read import parse
from homeport.enroll.formats.yaml_values import Document, Key, List, Map, Path

__all__ = ["drop_key", "get_key", "parse", "set_key", "write_block", "write_scalar"]

_SAFE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*(?::[A-Za-z0-9_./-]+)*")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"])


def get_key(values: Any, keys: "Sequence[Key]") -> "tuple[bool, Any]":
    """Whether there is one, and its value; a number leads into a list."""
    current: Any = values
    for key in keys:
        if isinstance(current, Mapping) and key in current:
            current = current[key]
        elif isinstance(current, list) and str(key).isdecimal() and int(key) < len(current):
            current = current[int(key)]
        else:
            return False, None
    return True, current


def set_key(text: str, path: str, keys: "Sequence[Key]", value: Any) -> str:
    """The text with a key set; maps on the way are made where they are missing."""
    document = parse(text, path)
    way = _way(document, keys)
    wanted = copy.deepcopy(document.values)
    _put(document, path, wanted, way, value)
    entry = document.entries.get(way)
    if repr(wanted) == repr(document.values):
        return text
    if entry is not None:
        changed = _replace(document, way, value)
    else:
        above = range(len(way) - 1, -1, -1)
        depth = next(at for at in above if get_key(document.values, way[:at])[0])
        inside = value
        for key in reversed(way[depth + 1 :]):
            inside = {str(key): inside}
        changed = _add(document, way[:depth], str(way[depth]), inside)
    return _checked(changed, path, wanted)


def drop_key(text: str, path: str, keys: "Sequence[Key]") -> str:
    """The text without a key, its lines with it; a map that becomes empty stays, as `{}`."""
    document = parse(text, path)
    way = _way(document, keys)
    entry = document.entries.get(way)
    if entry is None:
        return text
    wanted = copy.deepcopy(document.values)
    holder = document.maps[way[:-1]]
    del get_key(wanted, way[:-1])[1][way[-1]]
    at = holder.keys.index(str(way[-1]))
    if holder.flow and len(holder.keys) == 1:
        changed = text[: holder.start] + "{}" + text[holder.end :]
    elif holder.flow and at + 1 < len(holder.keys):
        following = document.entries[(*way[:-1], holder.keys[at + 1])]
        changed = text[: entry.start] + text[following.start :]
    elif holder.flow:
        above = document.entries[(*way[:-1], holder.keys[at - 1])]
        changed = text[: above.end] + text[entry.end :]
    elif len(holder.keys) == 1 and way[:-1]:
        around = document.entries.get(way[:-1])
        if around is None:
            raise EnrollError(f"{path}: an item of a list would become empty", place=path)
        changed = f"{text[: around.value]} {{}}{text[entry.end :]}"
    elif holder.compact and at == 0:
        following = document.entries[(*way[:-1], holder.keys[1])]
        changed = text[: entry.start] + text[following.start :]
    else:
        start, end = _lines(text, entry.start, entry.end)
        changed = text[:start] + text[end:]
    return _checked(changed, path, wanted)


def write_scalar(value: Any) -> str:
    """On one line, so that every version of YAML reads the same; maps and lists as flows."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        plain = _SAFE.fullmatch(value) and value.lower() not in _WORDS
        return value if plain else _quoted(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{write_scalar(str(k))}: {write_scalar(v)}" for k, v in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    return f"[{', '.join(map(write_scalar, value))}]"


def write_block(value: Any, indent: str = "", unit: str = "  ") -> "list[str]":
    """The lines of a map or list; of a scalar, one."""
    lines: list[str] = []
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            lines += _pair(str(key), inner, indent, unit)
    elif isinstance(value, (list, tuple)) and value:
        for inner in value:
            below = write_block(inner, indent + "  ", unit)
            lines += [f"{indent}- {below[0].lstrip(' ')}", *below[1:]]
    else:
        lines.append(indent + write_scalar(value))
    return lines


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _pair(key: str, value: Any, indent: str, unit: str) -> "list[str]":
    name = f"{indent}{write_scalar(key)}:"
    if isinstance(value, (Mapping, list, tuple)) and value:
        return [name, *write_block(value, indent + unit, unit)]
    return [f"{name} {write_scalar(value)}"]


def _replace(document: Document, way: Path, value: Any) -> str:
    text, newline = document.text, _newline(document.text)
    entry = document.entries[way]
    there = document.lists.get(way)
    old = get_key(document.values, way)[1]
    if isinstance(value, list) and there is not None and not there.flow and there.items:
        added = len(value) - len(old)
        if added > 0 and value[added:] == old:  # what comes first is new
            return _insert_items(document, there, value[:added])
    if isinstance(value, (Mapping, list)) and value and not _is_in_flow(document, way):
        indent = " " * document.maps[way[:-1]].indent + _unit(document)
        if there is not None and not there.flow:
            indent = " " * there.indent
        lines = write_block(value, indent, _unit(document))
        return text[: entry.value] + newline + newline.join(lines) + text[entry.end :]
    return f"{text[: entry.value]} {write_scalar(value)}{text[entry.end :]}"


def _insert_items(document: Document, there: List, values: "Sequence[Any]") -> str:
    text, newline = document.text, _newline(document.text)
    start = text.rfind("\n", 0, there.start) + 1
    if text[start : there.start].strip():  # `- - item`
        raise EnrollError("a list within a line of another is not edited")
    lines = write_block(list(values), " " * there.indent, _unit(document))
    return text[:start] + "".join(line + newline for line in lines) + text[start:]


def _add(document: Document, way: Path, key: str, value: Any) -> str:
    """A key that is not there, in the map at `way`, or in place of its nothing."""
    text, newline, unit = document.text, _newline(document.text), _unit(document)
    holder = document.maps.get(way)
    if holder is None:  # `KEY:` alone, or null
        entry = document.entries[way]
        if _is_in_flow(document, way):
            return f"{text[: entry.value]} {write_scalar({key: value})}{text[entry.end :]}"
        indent = " " * document.maps[way[:-1]].indent + unit
        lines = _pair(key, value, indent, unit)
        return text[: entry.value] + newline + newline.join(lines) + text[entry.end :]
    if holder.flow:
        return _add_flow(document, way, holder, key, value)
    lines = _pair(key, value, " " * holder.indent, unit)
    block = "".join(line + newline for line in lines)
    if not holder.keys:
        return _after_line(text, document.start or len(text), block)
    return _after_line(text, holder.end, block)


def _add_flow(document: Document, way: Path, holder: Map, key: str, value: Any) -> str:
    text = document.text
    if holder.keys:
        end = document.entries[(*way, holder.keys[-1])].end
        return f"{text[:end]}, {write_scalar(key)}: {write_scalar(value)}{text[end:]}"
    if way and not _is_in_flow(document, way):  # `KEY: {}`
        newline, unit = _newline(text), _unit(document)
        entry = document.entries.get(way)
        if entry is not None:
            indent = " " * document.maps[way[:-1]].indent + unit
            lines = _pair(key, value, indent, unit)
            rest = text[holder.end : _lines(text, holder.end, holder.end)[1]].rstrip("\r\n")
            after = text[holder.end + len(rest) :]
            return text[: entry.value] + rest + newline + newline.join(lines) + after
    written = write_scalar({key: value})
    return text[: holder.start] + written + text[holder.end :]


def _is_in_flow(document: Document, way: Path) -> bool:
    """Whether the map or list that holds it is in braces."""
    around: Any = document.maps.get(way[:-1]) or document.lists.get(way[:-1])
    return bool(around is not None and around.flow)


def _put(document: Document, path: str, values: Any, way: Path, value: Any) -> None:
    for depth, key in enumerate(way[:-1]):
        found, there = get_key(values, (key,))
        if not found or there is None:
            if not isinstance(values, dict):
                raise _refused(document, path, way[: depth + 1], "is not there")
            there = values[key] = {}
        if not isinstance(there, (dict, list)):
            raise _refused(document, path, way[: depth + 1], "is no map")
        values = there
    if not isinstance(values, dict):
        raise _refused(document, path, way[:-1], "is no map")
    values[way[-1]] = value


def _way(document: Document, keys: "Sequence[Key]") -> Path:
    """The keys as the document has them: digits become numbers where they lead into a list."""
    current: Any = document.values
    way: list[Key] = []
    for key in keys:
        is_index = isinstance(current, list) and str(key).isdecimal()
        way.append(int(key) if is_index else key)
        current = get_key(current, (way[-1],))[1]
    return tuple(way)


def _refused(document: Document, path: str, way: Path, words: str) -> BrokenFileError:
    return BrokenFileError(path, *document.place(*way), f"{'.'.join(map(str, way))} {words}")


def _checked(changed: str, path: str, wanted: Any) -> str:
    if repr(parse(changed, path).values) != repr(wanted):
        raise EnrollError(f"{path} cannot be edited without changing more than one key", place=path)
    return changed


def _after_line(text: str, position: int, added: str) -> str:
    """`added` after the line that holds `position`, or before that which it begins."""
    end = position
    if position and text[position - 1] != "\n":
        found = text.find("\n", position)
        end = len(text) if found < 0 else found + 1
    if end == len(text) and text and not text.endswith("\n"):
        return text + _newline(text) + added
    return text[:end] + added + text[end:]


def _lines(text: str, start: int, end: int) -> "tuple[int, int]":
    found = text.find("\n", end)
    return text.rfind("\n", 0, start) + 1, len(text) if found < 0 else found + 1


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(document: Document) -> str:
    """What one level is indented by: that of the first map within a map."""
    for way, inner in document.maps.items():
        outer = document.maps.get(way[:-1]) if way else None
        if outer is not None and not inner.flow and not outer.flow:
            return " " * max(1, inner.indent - outer.indent)
    return "  "
