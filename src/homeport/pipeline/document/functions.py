"""The functions of an interpolation block, as in `$[[ inputs.name | truncate(0,8) ]]`.

Source: GitLab documentation, "CI/CD inputs", "Functions".
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from homeport.pipeline.document.inputs import InputsError
from homeport.pipeline.variables.expand import ExpansionError, expand

_UNSAFE = r"[^A-Za-z0-9_\-.,:+/@\n]"


class Scope:
    """The variables that `expand_vars` sees; `masked` names those whose values stay hidden."""

    __slots__ = ("masked", "variables")

    def __init__(self, variables: Mapping[str, str], masked: Collection[str] = ()) -> None:
        self.variables = variables
        self.masked = masked


def apply_functions(expressions: list[str], value: Any, scope: Scope) -> Any:
    """A value sent through the functions in turn. Raises `InputsError`."""
    calls = [(expression, find_function(expression)) for expression in expressions]
    unknown = [
        f"no function matching `{expression}`: "
        "check that the function name, arguments, and types are correct"
        for expression, call in calls
        if call is None
    ]
    if unknown:
        raise InputsError(unknown)
    for _, call in calls:
        if call is not None:
            name, function, match = call
            value = _call(name, function, match, value, scope)
    return value


_Function = Callable[[str, "re.Match[str]", Scope], Any]


def find_function(expression: str) -> tuple[str, _Function, re.Match[str]] | None:
    """The function that an expression calls, with its arguments; None if there is none."""
    for name, (pattern, function) in _FUNCTIONS.items():
        match = re.match(pattern, expression)
        if match:
            return name, function, match
    return None


def _call(name: str, function: _Function, match: re.Match[str], value: Any, scope: Scope) -> Any:
    if not isinstance(value, str):
        problem = f"invalid input type: {name} can only be used with string inputs"
        raise InputsError([f"error in `{name}` function: {problem}"])
    try:
        return function(value, match, scope)
    except ValueError as error:
        raise InputsError([f"error in `{name}` function: {error}"]) from None


def _truncate(value: str, match: re.Match[str], _scope: Scope) -> str:
    # More digits than any string is long; Python refuses to read far more.
    offset, length = (int(match[name][:12]) for name in ("offset", "length"))
    return value[offset : offset + length]


def _expand_vars(value: str, _match: re.Match[str], scope: Scope) -> str:
    try:
        return expand(value, scope.variables, keep_undefined=True, refused=scope.masked)
    except ExpansionError as error:
        message = error.problems[0].message
        raise ValueError(f"variable expansion error: {message}") from None


def _posix_escape(value: str, _match: re.Match[str], _scope: Scope) -> str:
    if not value:
        return "''"
    return re.sub(_UNSAFE, r"\\\g<0>", value).replace("\n", "'\n'")


def _split(value: str, match: re.Match[str], _scope: Scope) -> list[str]:
    if not match["separator"]:
        raise ValueError("invalid argument: separator cannot be empty")
    return [part for part in map(str.strip, value.split(match["separator"])) if part]


_FUNCTIONS: Mapping[str, tuple[str, _Function]] = {
    "truncate": (r"(?am)^truncate\(\s*(?P<offset>\d+)\s*,\s*(?P<length>\d+)\s*\)?$", _truncate),
    "expand_vars": (r"(?m)^expand_vars$", _expand_vars),
    "posix_escape": (r"(?m)^posix_escape$", _posix_escape),
    "split": (r"(?m)^split\('(?P<separator>[^']*)'\)$", _split),
}
