"""Shapes of plain values that many keywords share: arrays of strings, nested arrays, scalars."""

from collections.abc import Callable, Iterable
from typing import Any, TypeGuard


def is_strings(value: Any) -> TypeGuard[list[str]]:
    """Whether `value` is an array of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def is_integer(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def flatten(value: Any) -> list[Any]:
    """Ruby's `Array#flatten`, with anything else as the only item."""
    if not isinstance(value, list):
        return [value]
    result: list[Any] = []
    for item in value:
        if isinstance(item, list):
            result.extend(flatten(item))
        else:
            result.append(item)
    return result


def places(value: Any) -> Iterable[tuple[Any, Any]]:
    """`(owner, index)` of each item of a nested array, depth first."""
    for index, item in enumerate(value):
        if isinstance(item, list):
            yield from places(item)
        else:
            yield value, index


def is_nested(value: Any, depth: int, accepts: Callable[[Any], bool]) -> bool:
    """Whether `value` is an array of accepted items, nested at most `depth` levels."""
    return isinstance(value, list) and _is_nested(value, depth, accepts)


def _is_nested(value: Any, depth: int, accepts: Callable[[Any], bool]) -> bool:
    if accepts(value):
        return True
    if depth <= 0 or not isinstance(value, list):
        return False
    return all(_is_nested(item, depth - 1, accepts) for item in value)
