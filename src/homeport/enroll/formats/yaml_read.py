"""Read the part of YAML that configuration files of engines use, and remember where all stands.

Block and flow maps and lists, scalars of one line, `|` and `>` texts, comments, one document. What
readers differ about, or what an edit could change at a distance, is refused with its place:
anchors, aliases, tags, merges, complex keys, keys that come twice, scalars over several lines.
"""

import re
from typing import Any, Optional

from homeport.enroll.errors import BrokenFileError
from homeport.enroll.formats.place import place
from homeport.enroll.formats.yaml_values import (
    Document,
    Entry,
    List,
    Map,
    Path,
    scalar,
    unquoted,
)

DEPTH = 32
_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"[ ]*")
_LINE_END = re.compile(r"[ \t]*(?:(?<=[ \t])#[^\r\n]*)?(?=\r?\n|\Z)")
_DOUBLE = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_SINGLE = re.compile(r"'(?:[^'\x00-\x1f]|'')*'")
_COLON = re.compile(r"[ \t]*:(?=[ \t\r\n]|\Z)")
_FLOW_COLON = re.compile(r"[ \t]*:(?=[ \t\r\n,\[\]{}]|\Z)")
_FIRST = r"(?:[^\s\-?:,\[\]{}#&*!|>'\"%@`\x00-\x1f]|[-?:](?=[^\s,\[\]{}]))"
_PLAIN_KEY = re.compile(_FIRST + r"(?:[^\s:#\x00-\x1f]|:(?=\S)|(?<=\S)#|[ \t]+(?=[^\s:#]))*")
_PLAIN = re.compile(_FIRST + r"(?:[^\s:#\x00-\x1f]|:(?=\S)|(?<=\S)#|[ \t]+(?=[^\s#]))*")
_FLOW_PLAIN = re.compile(
    _FIRST + r"(?:[^\s:#,\[\]{}\x00-\x1f]|:(?=[^\s,\[\]{}])|(?<=\S)#|[ \t]+(?=[^\s:#,\[\]{}]))*"
)
_TEXT = re.compile(r"[|>]([1-9]?[+-]?|[+-][1-9])[ \t]*(?:(?<=[ \t])#[^\r\n]*)?(?=\r?\n|\Z)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ODD = {
    "&": "an anchor",
    "*": "an alias (quote the key or value)",
    "!": "a tag",
    "%": "a directive",
    "@": "a reserved sign",
    "`": "a reserved sign",
    "?": "a complex key",
}


def parse(text: str, path: str) -> Document:
    """An empty document is an empty map. Raises BrokenFileError with the place in `path`."""
    return _Reader(text, path).document()


class _Reader:
    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._entries: dict[Path, Entry] = {}
        self._maps: dict[Path, Map] = {}
        self._lists: dict[Path, List] = {}

    def document(self) -> Document:
        text = self._text
        odd = _SURROGATE.search(text)
        if odd is not None:
            raise self._broken(odd.start(), "it is not UTF-8")
        if text.startswith("\ufeff"):
            raise self._broken(0, "it begins with a byte order mark")
        position = self._next(0)
        start = 0
        if re.compile(r"---(?=\s|\Z)").match(text, position):
            start = self._line_end(position + 3)
            position = self._next(start)
        values: Any = {}
        if position < len(text) and not self._ends(position):
            values, end = self._block(position, (), 0)
            if not isinstance(values, dict):
                raise self._broken(position, "it is no map")
            position = self._next(end)
        if position < len(text):
            if not re.compile(r"\.\.\.(?=\s|\Z)").match(text, position):
                raise self._broken(position, "it does not belong to what is above it")
            rest = self._next(self._line_end(position + 3))
            if rest < len(text):
                raise self._broken(rest, "there is more than one document")
        if () not in self._maps:
            self._maps[()] = Map(False, start, start, 0, [])
        return Document(values, self._entries, self._maps, self._lists, text, start)

    # Lines

    def _broken(self, position: int, message: str) -> BrokenFileError:
        hint = "mend it, or edit it by hand; nothing is changed"
        return BrokenFileError(self._path, *place(self._text, position), message, hint=hint)

    def _column(self, position: int) -> int:
        return position - self._text.rfind("\n", 0, position) - 1

    def _ends(self, position: int) -> bool:
        return self._column(position) == 0 and self._text.startswith(("...", "---"), position)

    def _line_end(self, position: int) -> int:
        """The end of a line that has only blanks and a comment from here."""
        found = _LINE_END.match(self._text, position)
        if found is None:
            raise self._broken(
                _match(_BLANK, self._text, position), "the line goes on where it should end"
            )
        return found.end()

    def _next(self, position: int) -> int:
        """The next content at or after a line's beginning or end; the text's end if none."""
        text = self._text
        while position < len(text):
            if text.startswith(("\n", "\r\n"), position):
                position += 1 if text[position] == "\n" else 2
            found = _match(_SPACE, text, position)
            if text.startswith("#", found):
                end = text.find("\n", found)
                position = len(text) if end < 0 else end
            elif text.startswith(("\n", "\r\n"), found):
                position = found
            elif text.startswith("\t", found):
                blank = _match(_BLANK, text, found)
                if blank < len(text) and text[blank] not in "\r\n#":
                    raise self._broken(found, "a tab indents it, which YAML does not allow")
                end = text.find("\n", blank)
                position = len(text) if end < 0 else end
            else:
                return found
        return len(text)

    # Blocks

    def _block(self, position: int, way: Path, depth: int) -> "tuple[Any, int]":
        """What begins at this content, a map or list in its column, or a scalar."""
        if depth > DEPTH:
            raise self._broken(position, "it is nested too deeply")
        if self._is_item(position):
            return self._items(position, way, depth)
        if self._key(position) is not None:
            return self._pairs(position, way, depth)
        return self._inline(position, way, depth, self._column(position))

    def _is_item(self, position: int) -> bool:
        return bool(re.compile(r"-(?=[ \t\r\n]|\Z)").match(self._text, position))

    def _key(self, position: int) -> "Optional[tuple[str, int]]":
        """A key and the place behind its colon."""
        text = self._text
        sign = text[position : position + 1]
        if sign in ('"', "'") and sign:
            found = (_DOUBLE if sign == '"' else _SINGLE).match(text, position)
            colon = _COLON.match(text, found.end()) if found else None
            if found is None or colon is None:
                return None
            return unquoted(found.group()), colon.end()
        if sign in ("&", "*", "!", "%", "@", "`") and sign:
            raise self._broken(position, f"{_ODD[sign]} is not edited here")
        if re.compile(r"\?(?=\s|\Z)").match(text, position):
            raise self._broken(position, f"{_ODD['?']} is not edited here")
        found = _PLAIN_KEY.match(text, position)
        colon = _COLON.match(text, found.end()) if found else None
        if found is None or colon is None:
            return None
        if found.group() == "<<":
            raise self._broken(position, "a merge is not edited here")
        return found.group(), colon.end()

    def _pairs(self, position: int, way: Path, depth: int) -> "tuple[dict[str, Any], int]":
        text = self._text
        start = position
        indent = self._column(position)
        values: dict[str, Any] = {}
        line = text[position - indent : position]
        while True:
            found = None if self._is_item(position) else self._key(position)
            if found is None:
                raise self._broken(position, "a key and a colon are missing")
            key, behind = found
            if key in values:
                raise self._broken(position, f"the key {key} comes twice")
            values[key], end = self._value(behind, (*way, key), depth, indent, in_map=True)
            self._entries[(*way, key)] = Entry(position, behind, end)
            following = self._next(self._line_end(end))
            column = self._column(following)
            if following == len(text) or column < indent or self._ends(following):
                break
            if column > indent:
                raise self._broken(following, "it is indented more than the line that it follows")
            position = following
        self._maps[way] = Map(False, start, end, indent, list(values), bool(line.strip()))
        return values, end

    def _items(self, position: int, way: Path, depth: int) -> "tuple[list[Any], int]":
        text = self._text
        start = position
        indent = self._column(position)
        values: list[Any] = []
        places: list[int] = []
        while True:
            behind = position + 1
            item = (*way, len(values))
            places.append(position)
            value, end = self._value(behind, item, depth, indent, in_map=False)
            values.append(value)
            following = self._next(self._line_end(end))
            column = self._column(following)
            if following == len(text) or column < indent or self._ends(following):
                break
            if column > indent:
                raise self._broken(following, "it is indented more than the line that it follows")
            if not self._is_item(following):
                break  # the next key of a map in the same column
            position = following
        self._lists[way] = List(False, start, end, indent, places)
        return values, end

    def _value(
        self, behind: int, way: Path, depth: int, indent: int, *, in_map: bool
    ) -> "tuple[Any, int]":
        """What follows a colon or a dash, on its line or on those below."""
        text = self._text
        blank = _LINE_END.match(text, behind)
        if blank is None:
            position = _match(_BLANK, text, behind)
            if not in_map and "\t" not in text[behind:position]:
                return self._block(position, way, depth + 1)
            return self._inline(position, way, depth + 1, indent)
        following = self._next(blank.end())
        column = self._column(following)
        if following == len(text) or self._ends(following):
            return None, behind
        if column > indent or (in_map and column == indent and self._is_item(following)):
            return self._block(following, way, depth + 1)
        return None, behind

    def _inline(self, position: int, way: Path, depth: int, indent: int) -> "tuple[Any, int]":
        """A value on the line of its key."""
        if depth > DEPTH:
            raise self._broken(position, "it is nested too deeply")
        text = self._text
        sign = text[position : position + 1]
        if sign and sign in "[{":
            return self._flow(position, way, depth)
        if sign and sign in "|>":
            return self._long(position, indent)
        if sign and sign in "\"'":
            return self._quoted(position)
        if sign in _ODD and sign != "?":
            raise self._broken(position, f"{_ODD[sign]} is not edited here")
        found = _PLAIN.match(text, position)
        if found is None:
            raise self._broken(position, "a value is missing or not valid")
        return scalar(found.group()), found.end()

    def _long(self, position: int, indent: int) -> "tuple[str, int]":
        """A `|` or `>` text: its lines as they are, without their indentation; folds stay."""
        text = self._text
        found = _TEXT.match(text, position)
        if found is None:
            raise self._broken(position, "the sign of a long text is followed by something else")
        lines = [text[position : position + 1]]
        end = found.end()
        at = text.find("\n", end) + 1
        while at:
            stop = text.find("\n", at)
            line = text[at : len(text) if stop < 0 else stop].rstrip("\r")
            bare = line.strip(" \t")
            if bare and _match(_SPACE, line, 0) <= indent:
                break
            if bare:
                end = at + len(line)
            lines.append(line)
            at = stop + 1
        return "\n".join(lines).rstrip("\n"), end

    def _quoted(self, position: int) -> "tuple[str, int]":
        sign = self._text[position]
        found = (_DOUBLE if sign == '"' else _SINGLE).match(self._text, position)
        if found is None:
            raise self._broken(
                position, "the text in quotes has no end on its line, or odd escapes"
            )
        return unquoted(found.group()), found.end()

    # Flows

    def _flow(self, position: int, way: Path, depth: int) -> "tuple[Any, int]":
        if depth > DEPTH:
            raise self._broken(position, "it is nested too deeply")
        if self._text[position] == "[":
            return self._flow_list(position, way, depth)
        return self._flow_map(position, way, depth)

    def _filling(self, position: int) -> int:
        """Past blanks, comments and line ends within braces."""
        found = re.compile(r"(?:\s|(?<=\s)#[^\n]*)*").match(self._text, position)
        return found.end() if found else position

    def _comma(self, position: int, closing: str) -> int:
        """Where the next member begins, or the closing brace stands."""
        position = self._filling(position)
        if self._text.startswith(",", position):
            return self._filling(position + 1)
        if not self._text.startswith(closing, position):
            raise self._broken(position, f"a comma or {closing} is missing")
        return position

    def _flow_value(self, position: int, way: Path, depth: int) -> "tuple[Any, int]":
        text = self._text
        sign = text[position : position + 1]
        if sign and sign in "[{":
            return self._flow(position, way, depth + 1)
        if sign and sign in "\"'":
            return self._quoted(position)
        if sign in _ODD and sign != "?":
            raise self._broken(position, f"{_ODD[sign]} is not edited here")
        found = _FLOW_PLAIN.match(text, position)
        if found is None:
            raise self._broken(position, "a value is missing or not valid")
        return scalar(found.group()), found.end()

    def _flow_list(self, start: int, way: Path, depth: int) -> "tuple[list[Any], int]":
        values: list[Any] = []
        places: list[int] = []
        position = self._filling(start + 1)
        while not self._text.startswith("]", position):
            places.append(position)
            value, end = self._flow_value(position, (*way, len(values)), depth)
            values.append(value)
            if _FLOW_COLON.match(self._text, end):
                raise self._broken(position, "a pair without braces is not edited here")
            position = self._comma(end, "]")
        self._lists[way] = List(True, start, position + 1, 0, places)
        return values, position + 1

    def _flow_map(self, start: int, way: Path, depth: int) -> "tuple[dict[str, Any], int]":
        values: dict[str, Any] = {}
        position = self._filling(start + 1)
        while not self._text.startswith("}", position):
            key, end = self._flow_value(position, way, depth + DEPTH)
            colon = _FLOW_COLON.match(self._text, end)
            raw = self._text[position:end]
            if colon is None:
                raise self._broken(position, "a colon is missing")
            name = key if isinstance(key, str) else raw
            if name == "<<":
                raise self._broken(position, "a merge is not edited here")
            if name in values:
                raise self._broken(position, f"the key {name} comes twice")
            there = self._filling(colon.end())
            if self._text.startswith((",", "}"), there):
                values[name], stop = None, colon.end()
            else:
                values[name], stop = self._flow_value(there, (*way, name), depth)
            self._entries[(*way, name)] = Entry(position, colon.end(), stop)
            position = self._comma(stop, "}")
        self._maps[way] = Map(True, start, position + 1, 0, list(values))
        return values, position + 1


def _match(pattern: "re.Pattern[str]", text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position
