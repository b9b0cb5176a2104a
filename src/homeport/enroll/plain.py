"""The values of `model` as plain data for JSON, and back.

Data that comes back is not believed: what has the wrong shape raises EnrollError.
"""

import dataclasses
import json
import typing
from collections import abc
from enum import Enum
from typing import Any, TypeVar, Union

from homeport.enroll.errors import EnrollError

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Objects, lists, texts, numbers, true, false and null only."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            entry.name: to_plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, abc.Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def from_plain(kind: "type[T]", data: Any) -> T:
    """The value of a class of `model` from what `to_plain` has made of one."""
    found = _build(kind, data, kind.__name__)
    return typing.cast("T", found)


def to_json(value: Any) -> str:
    return json.dumps(to_plain(value), ensure_ascii=True)


def from_json(kind: "type[T]", text: str) -> T:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EnrollError(f"not valid JSON: {error}") from None
    return from_plain(kind, data)


def _build(kind: Any, data: Any, where: str) -> Any:
    if kind is Any:
        return data
    if typing.get_origin(kind) is not None:
        return _build_generic(kind, data, where)
    if dataclasses.is_dataclass(kind):
        return _fill(kind, data, where)
    if issubclass(kind, Enum):
        _check(data in [entry.value for entry in kind], where, f"a {kind.__name__}")
        return kind(data)
    # A bool is an int to Python, but not to whoever wrote the file.
    _check(type(data) is kind or (kind is float and type(data) is int), where, kind.__name__)
    return data


def _build_generic(kind: Any, data: Any, where: str) -> Any:
    """Optional[…], tuple[…, ...] and Mapping[str, …]."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Union:
        return None if data is None else _build(inner[0], data, where)
    if origin is tuple:
        _check(isinstance(data, list), where, "a list")
        return tuple(_build(inner[0], entry, f"{where}[{at}]") for at, entry in enumerate(data))
    _check(isinstance(data, dict), where, "an object")
    return {key: _build(inner[1], entry, f"{where}.{key}") for key, entry in data.items()}


def _fill(kind: Any, data: Any, where: str) -> Any:
    _check(isinstance(data, dict), where, "an object")
    types = typing.get_type_hints(kind)
    values = {}
    for entry in dataclasses.fields(kind):
        if entry.name in data:
            name = f"{where}.{entry.name}"
            values[entry.name] = _build(types[entry.name], data[entry.name], name)
        else:
            needed = (
                entry.default is dataclasses.MISSING
                and entry.default_factory is dataclasses.MISSING
            )
            _check(not needed, where, f"an object with {entry.name}")
    return kind(**values)


def _check(right: bool, where: str, wanted: str) -> None:
    if not right:
        raise EnrollError(f"{where} is not {wanted}")
