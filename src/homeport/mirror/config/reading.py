"""Tables of TOML into structs, field by field; faults are collected, with their places.

A field that is wrong is left at its default, so that what depends on it can be checked all the
same; a table that cannot be made is None.
"""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from enum import EnumType
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from homeport.errors import Problem, Severity
from homeport.mirror.config.amounts import parse_days, parse_hours, parse_rate
from homeport.mirror.config.forms import EACH, FORMS, PATHS
from homeport.mirror.model.config import WindowConfig
from homeport.settings.source import KeyPath, Source

T = TypeVar("T", bound=Struct)
_WRONG: Any = object()
_MAX_ITEMS = 10_000
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def shown(path: KeyPath) -> str:
    """A path as TOML would write it: `mirror.upstreams."docker.io".urls[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if part and set(part) <= _BARE else f'"{part}"')
    return text


class Reading:
    """One reading of one file, or of none."""

    def __init__(self, source: Source | None) -> None:
        self._source = source
        self._folder = Path() if source is None else Path(source.name).absolute().parent
        self._made: dict[int, tuple[Struct, KeyPath]] = {}
        self.problems: list[Problem] = []

    def path_of(self, made: Struct) -> KeyPath:
        """Where the table stands that a struct was made of."""
        return self._made[id(made)][1]

    def entry(self, path: KeyPath, value: str) -> KeyPath:
        """Where in a list a value stands; entries that were wrong are still counted there."""
        found: Any = {} if self._source is None else self._source.data
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        if isinstance(found, list) and value in found:
            return (*path, found.index(value))
        return path

    def fault(
        self, path: KeyPath, message: str, hint: str | None = None, code: str = "mirror-settings"
    ) -> None:
        self.problems.append(
            Problem(
                code=code,
                message=f"{shown(path)}: {message}" if path else message,
                severity=Severity.ERROR,
                span=None if self._source is None else self._source.span(path),
                hint=hint,
            )
        )

    def unknown(self, path: KeyPath, known: tuple[str, ...]) -> None:
        near = get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
        self.fault(
            path,
            "unknown key",
            f"did you mean {near[0]}?" if near else f"the keys here are: {', '.join(known)}",
            code="mirror-unknown",
        )

    def struct(self, kind: type[T], table: object, path: KeyPath, **given: Any) -> T | None:
        """`given` are fields that are no keys (the name of an upstream is its table's)."""
        if not isinstance(table, Mapping):
            self.fault(path, "expected a table")
            return None
        keys = tuple(field.name for field in fields(kind) if field.name not in given)
        for key in table:
            if key not in keys:
                self.unknown((*path, key), keys)
        values = dict(given)
        complete = True
        for field in fields(kind):
            if field.name in given:
                continue
            if field.name in table:
                value = self._field(kind, field.name, table[field.name], (*path, field.name))
                if value is not _WRONG:
                    values[field.name] = value
                    continue
            elif field.default is NODEFAULT and field.default_factory is NODEFAULT:
                self.fault(path, f"{field.name} is missing")
            complete &= not (field.default is NODEFAULT and field.default_factory is NODEFAULT)
        if not complete:
            return None
        made = kind(**values)
        self._made[id(made)] = (made, path)
        return made

    def text(self, raw: object, path: KeyPath) -> Any:
        if not isinstance(raw, str):
            self.fault(path, "expected text in quotes")
            return _WRONG
        if not raw or not raw.isprintable() or len(raw) > 4096:
            self.fault(path, "expected printable text, at most 4096 characters")
            return _WRONG
        return raw

    def _field(self, kind: type, name: str, raw: object, path: KeyPath) -> Any:
        wanted = _without_none(_hints(kind)[name])
        form = FORMS.get((kind, name))
        if form is None or wanted is str:  # forms of numbers take text, too: "20GB"
            value = self._value(wanted, raw, path, EACH.get((kind, name)))
        else:
            value = raw
        if value is _WRONG:
            return _WRONG
        if (kind, name) in PATHS:
            return os.path.normpath(self._folder / value)
        return value if form is None else self._formed(form, value, path)

    def _formed(self, form: Any, value: object, path: KeyPath) -> Any:
        try:
            return form(value)
        except ValueError as error:
            self.fault(path, str(error))
            return _WRONG

    def _value(self, wanted: Any, raw: object, path: KeyPath, each: Any) -> Any:
        value: Any
        origin = get_origin(wanted)
        if origin is tuple:
            value = self._list(get_args(wanted)[0], raw, path, each)
        elif origin is Mapping:
            value = self._map(get_args(wanted)[1], raw, path, each)
        elif wanted is WindowConfig:
            value = self._window(raw, path)
        elif isinstance(wanted, EnumType):
            value = self._choice(wanted, raw, path)
        elif issubclass(wanted, Struct):
            made = self.struct(wanted, raw, path)
            value = _WRONG if made is None else made
        elif wanted is bool:
            value = self._switch(raw, path)
        else:
            value = self.text(raw, path)
            if each is not None and value is not _WRONG:
                value = self._formed(each, value, path)
        return value

    def _switch(self, raw: object, path: KeyPath) -> Any:
        if isinstance(raw, bool):
            return raw
        self.fault(path, "expected true or false")
        return _WRONG

    def _list(self, wanted: Any, raw: object, path: KeyPath, each: Any) -> Any:
        if not isinstance(raw, list):
            self.fault(path, "expected a list in [ ]")
            return _WRONG
        if len(raw) > _MAX_ITEMS:
            self.fault(path, f"more than {_MAX_ITEMS} entries")
            return _WRONG
        made = [self._value(wanted, item, (*path, index), each) for index, item in enumerate(raw)]
        return tuple(item for item in made if item is not _WRONG)

    def _map(self, wanted: Any, raw: object, path: KeyPath, each: Any) -> Any:
        if not isinstance(raw, Mapping):
            self.fault(path, "expected a table")
            return _WRONG
        made = {key: self._value(wanted, item, (*path, key), each) for key, item in raw.items()}
        return {key: item for key, item in made.items() if item is not _WRONG}

    def _choice(self, wanted: EnumType, raw: object, path: KeyPath) -> Any:
        words = [str(member) for member in wanted]  # type: ignore[var-annotated]
        if isinstance(raw, str) and raw in words:
            return wanted(raw)
        near = get_close_matches(raw, words, n=1) if isinstance(raw, str) else []
        hint = f"did you mean {near[0]}?" if near else None
        self.fault(path, f"expected one of {', '.join(words)}", hint)
        return _WRONG

    def _window(self, raw: object, path: KeyPath) -> Any:
        """`{ days = "mon-fri", hours = "08:00-18:00", rate = "20MB/s" }`."""
        if not isinstance(raw, Mapping):
            self.fault(path, "expected a table")
            return _WRONG
        keys = {"days": parse_days, "hours": parse_hours, "rate": parse_rate}
        for key in raw:
            if key not in keys:
                self.unknown((*path, key), tuple(keys))
        made = {
            key: self._formed(form, raw[key], (*path, key))
            for key, form in keys.items()
            if key in raw
        }
        if "rate" not in made:
            self.fault(path, "rate is missing")
            return _WRONG
        if _WRONG in made.values():
            return _WRONG
        start, stop = made.get("hours", (0, 1440))
        return WindowConfig(rate=made["rate"], days=made.get("days", ()), start=start, stop=stop)


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _without_none(wanted: Any) -> Any:
    if isinstance(wanted, UnionType):
        [wanted] = [inner for inner in get_args(wanted) if inner is not type(None)]
    return wanted
