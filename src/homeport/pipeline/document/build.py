"""One YAML document: libyaml's events put together as Psych would, every value with its mark.

PyYAML's own constructors are not used: they read scalars by other rules, apply `<<` in another
order, refuse local tags, and forget the places.
"""

from collections.abc import Callable
from typing import Any

from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from homeport.errors import Problem, Severity, UsageError
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.document.ruby import inspect_value
from homeport.pipeline.document.scalars import ScalarError, read_scalar
from homeport.pipeline.document.tags import read_tagged_scalar, tag_collection
from homeport.pipeline.model.document import Map, Mark, Reference, Seq, Symbol, span_of

TOO_BIG = "The parsed YAML is too big"
_UNREAD = object()


class _AliasedSeq:
    """A sequence that `<<` reached through an alias, which Psych does not merge."""

    __slots__ = ("value",)

    def __init__(self, value: Seq) -> None:
        self.value = value


class Builder:
    """Reads the next document of a parser. `values` counts values with aliases expanded."""

    __slots__ = ("_anchors", "_frames", "_items", "_limits", "_marks", "_open", "_parser", "_plain",
                 "problems", "values")  # fmt: skip

    def __init__(self, parser: CParser, limits: Limits) -> None:
        self._parser = parser
        self._limits = limits
        self._frames: list[tuple[list[Any], list[Mark], Any, int]] = []
        self._items: list[Any] = []
        self._marks: list[Mark] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open: set[str] = set()
        self._plain: dict[str, Any] = {}
        self.values = 0
        self.problems: list[Problem] = []

    def build(self) -> Any:
        """The document's value. Raises `UsageError`, and yaml's own errors for broken syntax."""
        next_event: Callable[[], Any] = self._parser.get_event
        handlers = {
            MappingStartEvent: self._start,
            SequenceStartEvent: self._start,
            MappingEndEvent: self._end_mapping,
            SequenceEndEvent: self._end_sequence,
            AliasEvent: self._alias,
        }
        plain = self._plain
        while True:
            event = next_event()
            kind = event.__class__
            if kind is ScalarEvent:
                if event.tag is not None or event.anchor is not None:
                    value = self._marked_scalar(event)
                elif event.implicit[1]:
                    value = event.value
                else:
                    value = plain.get(event.value, _UNREAD)
                    if value is _UNREAD:
                        value = self._plain_scalar(event)
                self._items.append(value)
                self._marks.append(event.start_mark)
                self.values += 1
            elif kind is DocumentEndEvent:
                return self._items[0]
            else:
                handlers[kind](event)

    def _plain_scalar(self, event: Any) -> Any:
        try:
            value = self._plain[event.value] = read_scalar(event.value)
        except ScalarError as error:
            raise UsageError.of(
                str(error),
                code="yaml-scalar",
                span=span_of(event.start_mark),
                hint="quote the value to make it a string",
            ) from None
        return value

    def _marked_scalar(self, event: Any) -> Any:
        if event.tag is not None:
            value = read_tagged_scalar(event.tag, event.value, event.start_mark)
        else:
            value = event.value if event.implicit[1] else self._plain_scalar(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        return value

    def _start(self, event: Any) -> None:
        if len(self._frames) >= self._limits.depth:
            raise too_big(
                event.start_mark, f"collections are nested over {self._limits.depth} deep"
            )
        self._frames.append((self._items, self._marks, event, self.values))
        self._items = []
        self._marks = []
        self.values += 1
        if event.anchor is not None:
            self._open.add(event.anchor)

    def _end_mapping(self, _end: Any) -> None:
        items, marks = self._items, self._marks
        keys = items[::2]
        mark = self._frames[-1][2].start_mark
        places = zip(marks[::2], marks[1::2], strict=True)
        try:
            unique = set(keys)
        except TypeError:
            unique = set()
        if len(unique) == len(keys) and "<<" not in unique and _all_text(keys):
            value = Map(None, mark, dict(zip(keys, places, strict=True)))
            value.update(zip(keys, items[1::2], strict=True))
        else:
            value = self._merge_pairs(mark, zip(keys, items[1::2], places, strict=True))
        self._close(value)

    def _end_sequence(self, _end: Any) -> None:
        self._close(Seq(self._items, self._frames[-1][2].start_mark, self._marks))

    def _close(self, value: Any) -> None:
        self._items, self._marks, start, before = self._frames.pop()
        if start.tag is not None:
            value = tag_collection(start.tag, value)
        if start.anchor is not None:
            self._open.discard(start.anchor)
            if isinstance(value, Reference) and isinstance(value.path, Seq):
                # Psych never registers the anchor of a sequence that became an object.
                self._anchors.pop(start.anchor, None)
            else:
                self._anchors[start.anchor] = (value, self.values - before)
        self._items.append(value)
        self._marks.append(start.start_mark)

    def _alias(self, event: Any) -> None:
        name = event.anchor
        if name in self._open:
            raise too_big(event.start_mark, f"*{name} is inside the value that it stands for")
        if name not in self._anchors:
            raise UsageError.of(
                f"An alias referenced an unknown anchor: {name}",
                code="yaml-alias",
                span=span_of(event.start_mark),
            )
        value, values = self._anchors[name]
        self.values += values
        if self.values > self._limits.values:
            raise too_big(
                event.start_mark,
                f"with its aliases expanded it holds over {self._limits.values} values",
            )
        if value.__class__ is Seq and self._is_merge_value():
            value = _AliasedSeq(value)
        self._items.append(value)
        self._marks.append(event.start_mark)

    def _is_merge_value(self) -> bool:
        return (
            bool(self._frames)
            and self._frames[-1][2].__class__ is MappingStartEvent
            and len(self._items) % 2 == 1
            and self._items[-1] == "<<"
        )

    def _merge_pairs(self, mark: Mark, pairs: Any) -> Map:
        """A mapping with `<<`, a repeated key or a key that is no string, pair by pair."""
        result = Map(None, mark)
        merged: set[Any] = set()
        for written, value, places in pairs:
            key = _key(written)
            sources = _merge_sources(value) if key == "<<" else None
            if sources is not None:
                for source in sources:
                    merged.update(source.keys() if result else ())
                    result.update(source)
                    result.marks.update(source.marks)
                    merged.update(source)
                continue
            if key in result and key not in merged:
                self.problems.append(_repeated(key, result.marks[key][0], places[0]))
            merged.discard(key)
            result[key] = value.value if isinstance(value, _AliasedSeq) else value
            result.marks[key] = places
        return result


def too_big(mark: Mark, why: str) -> UsageError:
    """GitLab's refusal of a file that is too large, too deep, or too much when expanded."""
    return UsageError.of(TOO_BIG, code="yaml-too-big", span=span_of(mark), hint=why)


def _all_text(keys: list[Any]) -> bool:
    return {key.__class__ for key in keys} <= {str}


def _key(written: Any) -> Any:
    """A key as GitLab's `deep_symbolize_keys` leaves it: text, or a number, a boolean or null."""
    if isinstance(written, Symbol):
        return str(written)
    if isinstance(written, list | dict | Reference):
        return inspect_value(written)
    return written


def _merge_sources(value: Any) -> list[Map] | None:
    """The mappings that `<<` merges, in the order in which they are applied; None for no merge."""
    if isinstance(value, Map):
        return [value]
    if isinstance(value, Seq) and all(isinstance(item, Map) for item in value):
        return list(reversed(value))
    return None


def _repeated(key: Any, first: Mark, again: Mark) -> Problem:
    shown = key if isinstance(key, str) else inspect_value(key)
    return Problem(
        message=f"the key `{shown}` is written twice; the last one counts",
        code="duplicate-key",
        severity=Severity.WARNING,
        span=span_of(again),
        hint=f"it was first written at {span_of(first)}",
    )
