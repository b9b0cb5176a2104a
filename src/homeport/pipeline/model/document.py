"""A configuration as plain data that remembers where each value was written.

Values are what Ruby's Psych would give: `None`, `bool`, `int`, `float`, `str`, `Symbol`, `Map`
and `Seq` (and `Reference` until `!reference` tags are resolved). `Map` and `Seq` compare equal to
plain `dict` and `list`; the places ride along in slots, so that semantic code stays ordinary code.
"""

from typing import Any, Protocol

from msgspec import Struct

from homeport.errors import Problem, Span


class Mark(Protocol):
    """Where a YAML event starts, as libyaml counts: line and column from 0."""

    @property
    def name(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


def span_of(mark: Mark) -> Span:
    """The place of a mark as people count it."""
    return Span(mark.name, mark.line + 1, mark.column + 1)


class Map(dict[Any, Any]):
    """A mapping; `marks[key]` is `(mark of the key, mark of its value)`."""

    __slots__ = ("mark", "marks")

    def __init__(
        self,
        items: dict[Any, Any] | None = None,
        mark: Mark | None = None,
        marks: dict[Any, tuple[Mark, Mark]] | None = None,
    ) -> None:
        super().__init__(items or ())
        self.mark = mark
        self.marks: dict[Any, tuple[Mark, Mark]] = {} if marks is None else marks


class Seq(list[Any]):
    """A sequence; `marks[i]` is where item `i` was written."""

    __slots__ = ("mark", "marks")

    def __init__(
        self,
        items: list[Any] | None = None,
        mark: Mark | None = None,
        marks: list[Mark] | None = None,
    ) -> None:
        super().__init__(items or ())
        self.mark = mark
        self.marks: list[Mark] = [] if marks is None else marks


class Symbol(str):
    """An unquoted `:word`: a symbol for Ruby, printed with its colon."""

    __slots__ = ()


class Reference(Struct, frozen=True):
    """A `!reference` tag before it is resolved; `path` is its raw content (normally a `Seq`)."""

    path: Any
    mark: Mark


Value = Any
"""None | bool | int | float | str | Symbol | Map | Seq | Reference; recursive, not spelt out."""


class Document(Struct, frozen=True, kw_only=True):
    """One parsed YAML file: the optional `spec:` header and the content after it."""

    name: str
    content: Map
    header: Map | None = None
    problems: tuple[Problem, ...] = ()


def span_of_key(owner: Any, key: Any) -> Span | None:
    """Where `key` of a `Map` was written, or the owner's own place, if known."""
    if isinstance(owner, Map):
        marks = owner.marks.get(key)
        if marks is not None:
            return span_of(marks[0])
        if owner.mark is not None:
            return span_of(owner.mark)
    return span_of(owner.mark) if isinstance(owner, Seq) and owner.mark is not None else None


def span_of_value(owner: Any, key: Any) -> Span | None:
    """Where the value at `key` of a `Map`, or at index `key` of a `Seq`, was written, if known."""
    if isinstance(owner, Map):
        marks = owner.marks.get(key)
        return span_of(marks[1]) if marks is not None else span_of_key(owner, key)
    if isinstance(owner, Seq) and isinstance(key, int) and key < len(owner.marks):
        return span_of(owner.marks[key])
    return span_of_key(owner, key)
