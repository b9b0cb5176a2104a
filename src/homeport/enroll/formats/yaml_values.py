"""What a YAML document becomes: values, the places of its parts, and its scalars."""

import json
import re
from typing import Any, NamedTuple, Union

from homeport.enroll.formats.place import place

Key = Union[str, int]
Path = tuple[Key, ...]

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{0,40})?)(?:[eE][-+]?[0-9]{1,3})?\Z"
)


class Entry(NamedTuple):
    """`KEY: VALUE`: where the key begins, the place behind its colon, where the value ends."""

    start: int
    value: int
    end: int


class Map(NamedTuple):
    """`indent` is the column of its keys; `start` and `end` are those of the braces if `flow`."""

    flow: bool
    start: int
    end: int
    indent: int
    keys: "list[str]"
    compact: bool = False


class List(NamedTuple):
    """`items` are where the dash of each stands, or the item itself if `flow`."""

    flow: bool
    start: int
    end: int
    indent: int
    items: "list[int]"


class Document(NamedTuple):
    """Values, and places by the way to them; a number in it leads into a list."""

    values: "dict[str, Any]"
    entries: "dict[Path, Entry]"
    maps: "dict[Path, Map]"
    lists: "dict[Path, List]"
    text: str
    start: int

    def place(self, *keys: Key) -> "tuple[int, int]":
        for depth in range(len(keys), 0, -1):
            entry = self.entries.get(keys[:depth])
            if entry is not None:
                return place(self.text, entry.start)
        return 1, 1


def unquoted(raw: str) -> str:
    return str(json.loads(raw)) if raw[0] == '"' else raw[1:-1].replace("''", "'")


def scalar(raw: str) -> Any:
    """As YAML 1.2 has it. What 1.1 reads otherwise (`yes`, `010`) stays text."""
    if raw in ("~", "null", "Null", "NULL"):
        return None
    if raw in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return raw[0] in "tT"
    if _INT.match(raw):
        return int(raw)
    return float(raw) if _FLOAT.match(raw) else raw
