"""`extends:` → each job merged with the ancestors it names (GitLab `Config::Extendable`)."""

from collections.abc import Mapping
from typing import Any

from homeport.errors import UsageError
from homeport.pipeline.config.hints import did_you_mean
from homeport.pipeline.config.ruby import ruby_string
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.document.merge import Budget, OverBudgetError, merge_all
from homeport.pipeline.document.ruby import inspect_value
from homeport.pipeline.model.document import Map, span_of_value

MAX_NESTING = 10
_TOO_BIG = "The parsed YAML is too big"


def resolve_extends(
    config: Map, *, partial: bool = False, max_nesting: int = MAX_NESTING
) -> tuple[Map, Mapping[str, tuple[str, ...]]]:
    """Merge every top-level mapping with what it extends; the last of several bases wins.

    `extends` itself stays in the result, as in GitLab; values that were not merged keep their
    identity. Raises `UsageError` in GitLab's words for the first key, in written order, with an
    unknown base, a base that is no mapping, a cycle, more than `max_nesting` ancestors, or when the
    merged mappings would be enormous. With
    `partial`, for when some includes were not reached, a key with an unknown base, or with an
    unresolved one, is left out and returned with its reasons, ready to print.
    """
    extender = _Extender(config, partial, max_nesting)
    result = Map(config, config.mark, config.marks)
    unresolved: dict[str, tuple[str, ...]] = {}
    for key, value in config.items():
        if not isinstance(value, Map) or "extends" not in value:
            continue
        merged = extender.extend(key, ())
        if isinstance(merged, _Unknown):
            unresolved[key] = merged.reasons
            del result[key]
        else:
            result[key] = merged
    return (result if extender.touched else config), unresolved


class _Unknown:
    """What stands for a key whose ancestors are not all known."""

    __slots__ = ("reasons",)

    def __init__(self, reasons: tuple[str, ...]) -> None:
        self.reasons = reasons


class _Extender:
    def __init__(self, config: Map, partial: bool, max_nesting: int) -> None:
        self._config = config
        self._partial = partial
        self._max_nesting = max_nesting
        self._budget = Budget(Limits().values)
        self._done: dict[Any, tuple[Map | _Unknown, int]] = {}

    @property
    def touched(self) -> bool:
        return bool(self._done)

    def extend(self, key: Any, heirs: tuple[Any, ...]) -> Map | _Unknown:
        """The merged value of a key that the chain of `heirs` extends."""
        done = self._done.get(key)
        if done is not None and len(heirs) + done[1] <= self._max_nesting:
            return done[0]
        value = self._config[key]
        if not isinstance(value, Map) or "extends" not in value:
            return value
        bases = _base_keys(value["extends"])
        unknown = tuple(base for base in bases if base not in self._config)
        self._check(key, value, bases, unknown, heirs)
        if unknown:
            place = span_of_value(value, "extends")
            reasons = tuple(f"extends `{base}` ({place})" for base in unknown)
        else:
            reasons = ()
        layers: list[Map] = []
        height = 0
        for base in bases:
            if base in unknown:
                continue
            parent = self.extend(base, (*heirs, key))
            if base in self._done:
                height = max(height, self._done[base][1] + 1)
            if isinstance(parent, _Unknown):
                reasons += tuple(reason for reason in parent.reasons if reason not in reasons)
            else:
                layers.append(parent)
        result = _Unknown(reasons) if reasons else self._merge(key, [*layers, value])
        self._done[key] = (result, height)
        return result

    def _merge(self, key: Any, layers: list[Map]) -> Map:
        try:
            return merge_all(layers, self._budget)
        except OverBudgetError:
            raise UsageError.of(
                _TOO_BIG,
                code="yaml-too-big",
                span=span_of_value(self._config[key], "extends"),
                hint="so many jobs extend so much that the merged file would be enormous",
            ) from None

    def _check(
        self,
        key: Any,
        value: Map,
        bases: tuple[str, ...],
        unknown: tuple[str, ...],
        heirs: tuple[Any, ...],
    ) -> None:
        if unknown and not self._partial:
            hint = did_you_mean(unknown[0], filter(_is_name, self._config))
            self._fail(key, value, f"unknown keys in `extends` ({', '.join(unknown)})", hint)
        invalid = [
            base
            for base in bases
            if base not in unknown and not isinstance(self._config[base], Map)
        ]
        if invalid:
            self._fail(key, value, f"invalid base hash in `extends`: {', '.join(invalid)}")
        if len(heirs) > self._max_nesting:
            self._fail(key, value, "nesting too deep in `extends`")
        if key in heirs:
            self._fail(key, value, "circular dependency detected in `extends`")

    def _fail(self, key: Any, value: Map, what: str, hint: str | None = None) -> None:
        raise UsageError.of(
            f"{ruby_string(key)}: {what}",
            code="extends",
            span=span_of_value(value, "extends"),
            hint=hint,
        )


def _is_name(key: Any) -> bool:
    return isinstance(key, str)


def _base_keys(written: Any) -> tuple[str, ...]:
    """The names in `extends`, as Ruby's `Array(…).map(&:to_s)` makes them."""
    if written is None:
        return ()
    if isinstance(written, dict):
        return tuple(inspect_value([key, item]) for key, item in written.items())
    if isinstance(written, list):
        return tuple(map(_base_key, written))
    return (_base_key(written),)


def _base_key(written: Any) -> str:
    if written is None or isinstance(written, str | int | float):
        return ruby_string(written)
    return inspect_value(written)
