"""`!reference` tags → the values they name (GitLab `Config::Yaml::Tags`)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from homeport.errors import UsageError
from homeport.pipeline.document.ruby import inspect_reference
from homeport.pipeline.model.document import Map, Reference, Seq, span_of, span_of_key

_TOO_BIG = "The parsed YAML is too big"
_MAX_DEPTH = 100
_MAX_KEY = 1_000_000
_MAX_VISIBLE = 4_000_000
"""How many values a key with tags may hold, and how many all that are not hidden may together; what
a tag stands for counts each time."""

Reasons = tuple[str, ...]
_NOTHING: tuple[Reference, ...] = ()
# Tuples: `Map | Seq` would be made anew for each of a large file's values.
_COLLECTIONS = (Map, Seq)
_TAGS_IN = (Map, Seq, Reference)


def resolve_references(
    config: Map, *, partial: bool = False
) -> tuple[Map, Mapping[str, tuple[str, ...]]]:
    """Replace every tag of a merged configuration.

    Subtrees without a tag keep their identity. Raises `UsageError` for the first tag, in written
    order, that is not valid, part of a cycle, or names nothing, or when tags of tags make a small
    file stand for an enormous one. With `partial`, for when some
    includes were not reached, a tag that names nothing makes its top-level key unresolved
    instead, and so every key that refers to it: those keys are left out, and returned with their
    reasons, ready to print.
    """
    resolver = _Resolver(config, partial)
    result: Map | None = None
    unresolved: dict[str, Reasons] = {}
    left = _MAX_VISIBLE
    for key, value in config.items():
        if not resolver.tags(value):
            continue
        if result is None:
            result = Map(config, config.mark, config.marks)
        reasons = resolver.settle(value)
        if reasons:
            unresolved[key] = reasons
            del result[key]
        else:
            result[key] = resolver.replace(value)
            size, depth = resolver.measure(result[key])
            left -= 0 if str(key).startswith(".") else size
            if left < 0 or size > _MAX_KEY or depth > _MAX_DEPTH:
                raise UsageError.of(
                    _TOO_BIG,
                    code="yaml-too-big",
                    span=span_of_key(config, key),
                    hint="its `!reference` tags make it enormous, or nest it too deep",
                )
    return (config if result is None else result), unresolved


class _Resolver:
    """Remembers, by identity, what was found in each collection and what each tag stands for."""

    def __init__(self, config: Map, partial: bool) -> None:
        self._config = config
        self._partial = partial
        self._tags: dict[int, tuple[Reference, ...]] = {}
        self._replaced: dict[int, Any] = {}
        self._values: dict[int, Any] = {}
        self._reasons: dict[int, Reasons] = {}
        self._settled: dict[int, Reasons] = {}
        self._measured: dict[int, tuple[int, int]] = {}

    def tags(self, value: Any) -> Sequence[Reference]:
        """The tags written inside a value, in order, without those they lead to."""
        if isinstance(value, Reference):
            return (value,)
        if not isinstance(value, _COLLECTIONS):
            return _NOTHING
        known = self._tags.get(id(value))
        if known is None:
            found: dict[int, Reference] = {}
            for item in value.values() if isinstance(value, Map) else value:
                if isinstance(item, _TAGS_IN) and (inner := self.tags(item)):
                    found.update((id(tag), tag) for tag in inner)
            known = self._tags[id(value)] = tuple(found.values()) if found else _NOTHING
        return known

    def settle(self, value: Any) -> Reasons:
        """Find what every tag of a value stands for; the reasons why some could not be found."""
        known = self._settled.get(id(value))
        if known is None:
            reasons: dict[str, None] = {}
            for tag in self.tags(value):
                self._settle_tag(tag)
                reasons.update(dict.fromkeys(self._reasons.get(id(tag), ())))
            known = self._settled[id(value)] = tuple(reasons)
        return known

    def replace(self, value: Any) -> Any:
        """A settled value with its tags replaced; the value itself where it has none."""
        if isinstance(value, Reference):
            return self._values[id(value)]
        if not self.tags(value):
            return value
        known = self._replaced.get(id(value))
        if known is None:
            if isinstance(value, Map):
                known = Map(None, value.mark, value.marks)
                known.update(value)
                for key, item in value.items():
                    if isinstance(item, _TAGS_IN):
                        known[key] = self.replace(item)
            else:
                known = Seq([self.replace(item) for item in value], value.mark, value.marks)
            self._replaced[id(value)] = known
        return known

    def measure(self, value: Any) -> tuple[int, int]:
        """How many values there are in one whose tags are replaced, and how deep they nest.

        What is shared counts again wherever it stands.
        """
        if not isinstance(value, _COLLECTIONS):
            return 1, 0
        known = self._measured.get(id(value))
        if known is None:
            size = 1 + len(value)
            depth = 0
            for item in value.values() if isinstance(value, Map) else value:
                if isinstance(item, _COLLECTIONS):
                    inner, below = self.measure(item)
                    size += inner - 1
                    depth = max(depth, below)
            known = self._measured[id(value)] = (size, depth + 1)
        return known

    def _settle_tag(self, tag: Reference) -> None:
        """Depth first with a stack of its own: a chain of tags may be as long as the file."""
        if self._is_settled(tag):
            return
        stack = [self._enter(tag)]
        active = {id(tag)}
        while stack:
            current, target, pending = stack[-1]
            inner = next((each for each in pending if not self._is_settled(each)), None)
            if inner is None:
                self._finish(current, target)
                active.discard(id(current))
                stack.pop()
            elif id(inner) in active:
                raise _error(inner, "is part of a circular chain", "reference-cycle")
            else:
                active.add(id(inner))
                stack.append(self._enter(inner))

    def _is_settled(self, tag: Reference) -> bool:
        return id(tag) in self._values or id(tag) in self._reasons

    def _enter(self, tag: Reference) -> tuple[Reference, Any, Iterator[Reference]]:
        path = tag.path
        if not isinstance(path, Seq) or not path or not all(isinstance(key, str) for key in path):
            raise _error(tag, "is not valid", "reference-invalid")
        target: Any = self._config
        for key in path:
            target = target.get(key) if isinstance(target, Map) else None
            if target is None:
                break
        settled = id(target) in self._settled
        return tag, target, iter(_NOTHING if settled else self.tags(target))

    def _finish(self, tag: Reference, target: Any) -> None:
        reasons = () if target is None else self.settle(target)
        if not reasons:
            value = self.replace(target)
            # Ruby's `unless value`: what is found but null or false is not found either.
            if value is not None and value is not False:
                self._values[id(tag)] = value
                self.measure(value)  # from the innermost tag on, so that none of it goes deep
                return
            if not self._partial:
                raise _error(tag, "could not be found", "reference-missing")
            reasons = (f"{inspect_reference(tag)} ({span_of(tag.mark)})",)
        self._reasons[id(tag)] = reasons


def _error(tag: Reference, what: str, code: str) -> UsageError:
    return UsageError.of(f"{inspect_reference(tag)} {what}", code=code, span=span_of(tag.mark))
