"""The deep merge that `include` and `extends` share (Rails' `deep_merge`)."""

from collections.abc import Iterable

from homeport.pipeline.model.document import Map


class OverBudgetError(Exception):
    """Merging would make a configuration larger than a person ever wrote."""


class Budget:
    """How many entries merges may copy; each copy of a large mapping into many others counts."""

    __slots__ = ("_left",)

    def __init__(self, entries: int) -> None:
        self._left = entries

    def spend(self, entries: int) -> None:
        self._left -= entries
        if self._left < 0:
            raise OverBudgetError


def merge_all(maps: Iterable[Map], budget: Budget | None = None) -> Map:
    """Each mapping on top of those before: mappings are merged key by key, anything else replaced.

    No argument is changed; values that meet no counterpart are shared, and so is a mapping that
    meets nothing else. Keys keep the order in which they come first, and the place of whichever
    value won. Raises `OverBudgetError`.
    """
    layers = [layer for layer in maps if layer]
    if len(layers) < 2:
        return layers[0] if layers else Map()
    if budget is not None:
        budget.spend(sum(map(len, layers)))
    merged = Map(layers[0], layers[-1].mark, dict(layers[0].marks))
    for layer in layers[1:]:
        merged.marks.update(layer.marks)
        for key, value in layer.items():
            under = merged.get(key) if isinstance(value, Map) else None
            merged[key] = merge_all((under, value), budget) if isinstance(under, Map) else value
    return merged
