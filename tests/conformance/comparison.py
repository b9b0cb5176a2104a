"""Whether what the code said is what a vector expects: the meaning of each key of `expected`."""

from collections.abc import Mapping
from typing import Any

# About the case, not about the result.
_REMARKS = frozenset(("note", "notes", "comment"))


def agrees(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> bool:
    """Whether every key of `expected` holds for `actual`."""
    return all(key in _REMARKS or _holds(key, value, actual) for key, value in expected.items())


def _holds(key: str, value: Any, actual: Mapping[str, Any]) -> bool:
    check = _SPECIAL.get(key)
    if check is not None:
        return bool(check(value, actual))
    return key in actual and same(value, actual[key])


def same(expected: Any, actual: Any) -> bool:
    """Equality that tells booleans from numbers, and lists only by what is in them."""
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return expected.keys() == actual.keys() and all(
            same(item, actual[key]) for key, item in expected.items()
        )
    if isinstance(expected, list) and isinstance(actual, list | tuple):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    return bool(expected == actual)


def within(expected: Any, actual: Any) -> bool:
    """Whether every key of the expected mapping, at any depth, has its value in the actual one."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return all(
            within(item, actual[key]) if key in actual else item in (None, {}, [])
            for key, item in expected.items()
        )
    return same(expected, actual)


def _errors(actual: Mapping[str, Any]) -> list[str]:
    return list(actual.get("errors") or ())


def _contains(parts: Any, texts: list[str]) -> bool:
    wanted = [parts] if isinstance(parts, str) else parts
    return all(part in "\n".join(texts) for part in wanted)


def _error(value: Any, actual: Mapping[str, Any]) -> bool:
    errors = _errors(actual)
    return not errors if value is None else errors[:1] == [value]


def _all_errors(value: Any, actual: Mapping[str, Any]) -> bool:
    errors = _errors(actual)
    if isinstance(value, list):
        return errors == value
    return not errors if not value else errors == [value]


_SPECIAL = {
    "error": _error,
    "first_error": _error,
    "errors": _all_errors,
    "errors_any_order": lambda value, actual: sorted(value) == sorted(_errors(actual)),
    "error_contains": lambda value, actual: _contains(value, _errors(actual)),
    "errors_contain": lambda value, actual: _contains(value, _errors(actual)),
    "errors_include": lambda value, actual: all(
        each in _errors(actual) for each in ([value] if isinstance(value, str) else value)
    ),
    "invalid": lambda value, actual: bool(_errors(actual)) is value,
    "warning": lambda value, actual: value in actual.get("warnings", ()),
    "warning_contains": lambda value, actual: _contains(value, list(actual.get("warnings", ()))),
    "includes": lambda value, actual: within(value, actual.get("config")),
    "job": lambda value, actual: within_jobs(value, actual.get("jobs")),
    "jobs": lambda value, actual: within_jobs(value, actual.get("jobs")),
}


def within_jobs(expected: Any, jobs: Any) -> bool:
    """Expected attributes of jobs by name (null: there is no such job), or the list of names."""
    if not isinstance(jobs, Mapping):
        return False
    if isinstance(expected, list):
        return list(jobs) == expected
    return all(
        name not in jobs
        if attributes is None
        else name in jobs
        and all(_attribute(key, item, jobs[name]) for key, item in attributes.items())
        for name, attributes in expected.items()
    )


def _attribute(key: str, value: Any, job: Mapping[str, Any]) -> bool:
    found = job.get(key)
    if value in (None, {}, []) and found in (None, {}, []):
        return True
    return within(value, found) if isinstance(value, Mapping) else _items_within(value, found)


def _items_within(value: Any, found: Any) -> bool:
    if isinstance(value, list) and isinstance(found, list | tuple):
        return len(value) == len(found) and all(map(within, value, found))
    return same(value, found)
