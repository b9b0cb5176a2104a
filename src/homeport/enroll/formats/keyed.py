"""The formats of which single keys can be changed, behind one face."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Optional, Protocol

from homeport.enroll.errors import EnrollError
from homeport.enroll.formats import json_text


class Keyed(Protocol):
    """Edits of a text that leave every other byte as it was. `path` is for errors alone. All raise
    BrokenFileError for a text that its engine would not read."""

    def get(self, text: str, path: str, keys: Sequence[str]) -> tuple[bool, Any]:
        """Whether there is such a key, and its value."""

    def set(self, text: str, path: str, keys: Sequence[str], value: Any) -> str: ...

    def drop(self, text: str, path: str, keys: Sequence[str]) -> str: ...

    def copy(self, text: str, path: str, keys: Sequence[str], source: str) -> str:
        """The key as it is written in `source`, to the byte if that can be."""

    def line(self, text: str, path: str, keys: Sequence[str]) -> int:
        """Where it stands; 1 if that is not known."""


class _Json:
    def get(self, text: str, path: str, keys: Sequence[str]) -> tuple[bool, Any]:
        values = json_text.parse_object(text, path)[0]
        return json_text.get_key(values, keys) if keys else (True, values)

    def set(self, text: str, path: str, keys: Sequence[str], value: Any) -> str:
        return json_text.set_key(text, path, keys, value)

    def drop(self, text: str, path: str, keys: Sequence[str]) -> str:
        return json_text.drop_key(text, path, keys)

    def copy(self, text: str, path: str, keys: Sequence[str], source: str) -> str:
        return json_text.copy_key(text, path, keys, source)

    def line(self, text: str, path: str, keys: Sequence[str]) -> int:
        return json_text.line_of(text, path, keys)


class _Module:
    """A format whose module has `parse`, `get_key`, `set_key` and `drop_key`; `entries`, where it
    has them, are the places of keys."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def get(self, text: str, path: str, keys: Sequence[str]) -> tuple[bool, Any]:
        values = self._module.parse(text, path).values
        found: tuple[bool, Any] = self._module.get_key(values, keys) if keys else (True, values)
        return found

    def set(self, text: str, path: str, keys: Sequence[str], value: Any) -> str:
        return str(self._module.set_key(text, path, keys, value))

    def drop(self, text: str, path: str, keys: Sequence[str]) -> str:
        return str(self._module.drop_key(text, path, keys))

    def copy(self, text: str, path: str, keys: Sequence[str], source: str) -> str:
        there, here = self._entry(source, path, keys), self._entry(text, path, keys)
        if there is None or here is None:
            return self.set(text, path, keys, self.get(source, path, keys)[1])
        return text[: here.value] + source[there.value : there.end] + text[here.end :]

    def line(self, text: str, path: str, keys: Sequence[str]) -> int:
        entry = self._entry(text, path, keys)
        return 1 if entry is None else text.count("\n", 0, entry.start) + 1

    def _entry(self, text: str, path: str, keys: Sequence[str]) -> Optional[Any]:
        entries = getattr(self._module.parse(text, path), "entries", {})
        wanted = tuple(keys)
        for way, entry in entries.items():
            if tuple(map(str, way)) == wanted:
                return entry
        return None


def find_format(name: str) -> Keyed:
    """The format of `FileChange.format`."""
    if name == "json":
        return _Json()
    if name in ("toml", "yaml"):
        return _Module(import_module(f"homeport.enroll.formats.{name}_text"))
    raise EnrollError(f"single keys of the format {name or 'of none'} cannot be changed")
