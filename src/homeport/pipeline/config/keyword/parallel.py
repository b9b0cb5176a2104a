"""`parallel` and `parallel:matrix`, of a job, of a trigger job and of a need.

Source: GitLab's CI/CD YAML reference, `parallel`, `parallel:matrix`, `needs:parallel:matrix`.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.ruby import is_blank, ruby_string
from homeport.pipeline.config.shapes import flatten, is_integer
from homeport.pipeline.config.status import YES, Keyword
from homeport.pipeline.model.config import Parallel

STATUS = Keyword(
    name="parallel",
    evaluated=True,
    run=YES,
    parts=(Keyword(name="matrix", evaluated=True, run=YES, cases=("matrix",)),),
    cases=("matrix",),
)

MAX_JOBS = 200
_NUMBER_FORBIDDEN = 'cannot use "parallel: <number>".'


def parse_parallel(value: Any, entry: Entry) -> Parallel | None:
    return _parse(value, entry)


def parse_bridge_parallel(value: Any, entry: Entry) -> Parallel | None:
    """A trigger job may only use a matrix."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        entry.config(_NUMBER_FORBIDDEN, "not-allowed")
        return None
    return _parse(value, entry)


def _parse(value: Any, entry: Entry) -> Parallel | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, entry)
    if not isinstance(value, dict):
        entry.say("should be an integer or a hash", "wrong-type", verbatim=True)
        return None
    entry.keys(value, ("matrix",))
    if not entry.required(value, ("matrix",)) or value["matrix"] is None:
        return None
    return _matrix(value["matrix"], entry.child(value, "matrix"))


def _number(value: Any, entry: Entry) -> Parallel | None:
    if not is_integer(value):
        entry.config("must be an integer", "wrong-type")
        return None
    if value < 1:
        entry.config("must be greater than or equal to 1", "limit")
        return None
    if value > MAX_JOBS:
        entry.config(f"must be less than or equal to {MAX_JOBS}", "limit")
        return None
    return Parallel(total=value)


def _matrix(value: Any, entry: Entry) -> Parallel | None:
    if not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
        entry.config("should be an array of hashes", "wrong-type")
        return None
    combinations = [
        combination
        for index, item in enumerate(value)
        if (combination := _variables(item, entry.child(value, index, "variables"))) is not None
    ]
    if sum(prod(map(len, combination.values())) for combination in combinations) > MAX_JOBS:
        entry.config(f"generates too many jobs (maximum is {MAX_JOBS})", "limit")
        return None
    return Parallel(matrix=tuple(combinations))


def _variables(value: Any, entry: Entry) -> Mapping[str, tuple[str, ...]] | None:
    if not value:
        entry.config("requires at least 1 items", "blank")
        return None
    values = [item for found in value.values() for item in _flatten_once(found)]
    if any(map(is_blank, value.values())) or not all(
        isinstance(item, str) or is_integer(item) for item in (*value, *values)
    ):
        text = "should be a hash of key value pairs, value can be an array"
        entry.config(text, "wrong-type")
        return None
    return {
        ruby_string(key): tuple(map(ruby_string, _flatten_once(item)))
        for key, item in value.items()
    }


def _flatten_once(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def has_number(value: Any) -> bool:
    """Whether a written list of needs (or one need) asks for `parallel: <number>`."""
    needs = value if isinstance(value, list) else flatten(value)
    return any(
        isinstance(need, dict)
        and isinstance(need.get("parallel"), int | float)
        and not isinstance(need.get("parallel"), bool)
        for need in needs
    )
