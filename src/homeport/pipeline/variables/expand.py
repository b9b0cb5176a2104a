"""References to variables in values. Source: GitLab's "Where variables can be used", and its
`ExpandVariables` and `Variables::Collection`.

Two readings exist. A text (`expand`) knows `$NAME`, `${NAME}` and `%NAME%`. The value of a variable
(`expand_all`) knows `$$` and `%%` too, which stay as they are for the shell.
"""

import re
from collections.abc import Container, Iterator, Mapping, Sequence

from msgspec import structs

from homeport.errors import UsageError
from homeport.pipeline.model.plan import ScopedVariable

MAX_SIZE = 8 * 1024 * 1024
"""Characters that one expansion may put in: references to references grow by doubling."""

_NAME = "[a-zA-Z_][a-zA-Z0-9_]*"
_IN_TEXT = rf"\$({_NAME})|\$\{{({_NAME})\}}|%({_NAME})%"
_IN_VALUE = rf"\$\$|%%|\$({_NAME})|\$\{{({_NAME})?\}}|%({_NAME})%"


class ExpansionError(UsageError):
    """A reference that may not be expanded: a cycle, a masked variable, a value without end."""


def has_reference(value: str) -> bool:
    """Whether `value` can refer to a variable at all."""
    return "$" in value or "%" in value


def expand(
    value: str,
    lookup: Mapping[str, str],
    *,
    keep_undefined: bool = False,
    kept: Container[str] = (),
    refused: Container[str] = (),
) -> str:
    """Replace each reference in a text by the variable's value, which is not looked into again.

    An undefined variable becomes empty, or stays as written with `keep_undefined`; a reference to
    one of `kept` stays as written (file variables), one to `refused` raises `ExpansionError`
    (masked variables, where GitLab forbids them).
    """
    if not has_reference(value):
        return value

    def replace(match: re.Match[str]) -> str:
        name = match[match.lastindex or 0]
        found = lookup.get(name)
        if found is None:
            return match[0] if keep_undefined else ""
        if name in refused:
            raise ExpansionError.of("masked variables cannot be expanded", code="masked-variable")
        return match[0] if name in kept else budget.spend(found)

    budget = _Budget()
    return re.sub(_IN_TEXT, replace, value)


def expand_nested(value: str, variables: Mapping[str, str]) -> str:
    """Expand a text with variables whose own values are expanded first; unknown ones stay.

    Only what the text needs is expanded. A cycle leaves the values as they are.
    """
    if not has_reference(value):
        return value
    needed = _reachable(value, variables)
    try:
        expanded = expand_all([ScopedVariable(key=name, value=variables[name]) for name in needed])
    except CycleError:
        return expand(value, variables, keep_undefined=True)
    lookup = {variable.key: variable.value for variable in expanded}
    return expand(value, lookup, keep_undefined=True)


def references(value: str) -> tuple[str, ...]:
    """The names that a text refers to, in order of appearance, once each."""
    if not has_reference(value):
        return ()
    found = re.finditer(_IN_TEXT, value)
    return tuple(dict.fromkeys(match[match.lastindex or 0] for match in found))


def expand_all(
    variables: Sequence[ScopedVariable],
    *,
    keep_undefined: bool = False,
    expand_file_refs: bool = True,
    expand_raw_refs: bool = True,
) -> list[ScopedVariable]:
    """Every variable with its references replaced, in order of dependency.

    Of several variables with one key the last one before the reference counts. A reference to a
    file or raw variable stays as written where the flag says so. Raises `CycleError`.
    """
    if not any(_may_refer(variable) for variable in variables):
        return list(variables)
    known: dict[str, ScopedVariable] = {}
    result: list[ScopedVariable] = []
    budget = _Budget()

    def replace(match: re.Match[str]) -> str:
        name = match[match.lastindex] if match.lastindex else None
        if name is None:
            return match[0]
        found = known.get(name)
        if found is None:
            return match[0] if keep_undefined else ""
        expands = expand_file_refs if found.file else (expand_raw_refs or not found.raw)
        return budget.spend(found.value) if expands else match[0]

    for variable in sort_variables(variables):
        if _may_refer(variable):
            value = re.sub(_IN_VALUE, replace, variable.value)
            expanded = structs.replace(variable, value=value)
        else:
            expanded = variable
        known[variable.key] = expanded
        result.append(expanded)
    return result


class CycleError(ExpansionError):
    """Variables that refer to each other in a circle."""


def sort_variables(variables: Sequence[ScopedVariable]) -> list[ScopedVariable]:
    """The variables, each after all that it refers to; else in the order given.

    Raises `CycleError` with GitLab's words. Source: Tarjan's strongly connected components, as in
    Ruby's TSort.
    """
    by_key: dict[str, list[int]] = {}
    for index, variable in enumerate(variables):
        by_key.setdefault(variable.key, []).append(index)
    order: list[int] = []
    cycles: list[list[str]] = []
    for component in _components(variables, by_key):
        order += component
        if len(component) > 1:
            cycles.append([variables[index].key for index in component])
    if cycles:
        listed = ", ".join("[" + ", ".join(f'"{key}"' for key in cycle) + "]" for cycle in cycles)
        raise CycleError.of(
            f"circular variable reference detected: {listed}", code="variable-cycle"
        )
    return [variables[index] for index in order]


class _Budget:
    """Counts what an expansion puts in, and stops it when it grows without end."""

    def __init__(self) -> None:
        self._left = MAX_SIZE

    def spend(self, text: str) -> str:
        self._left -= len(text)
        if self._left < 0:
            raise ExpansionError.of(
                f"variables expand to more than {MAX_SIZE} characters", code="variables-too-large"
            )
        return text


def _may_refer(variable: ScopedVariable) -> bool:
    return not variable.raw and has_reference(variable.value)


def _reachable(value: str, variables: Mapping[str, str]) -> dict[str, None]:
    needed: dict[str, None] = {}
    todo = list(references(value))
    while todo:
        name = todo.pop()
        if name in variables and name not in needed:
            needed[name] = None
            todo += references(variables[name])
    return needed


def _depends_on(variable: ScopedVariable, by_key: Mapping[str, list[int]]) -> Iterator[int]:
    if _may_refer(variable):
        for match in re.finditer(_IN_VALUE, variable.value):
            if match.lastindex:
                yield from by_key.get(match[match.lastindex], ())


def _components(
    variables: Sequence[ScopedVariable], by_key: Mapping[str, list[int]]
) -> Iterator[list[int]]:
    """Strongly connected components, those depended on first; without recursion."""
    low: dict[int, int] = {}
    entered: dict[int, int] = {}
    place: dict[int, int] = {}
    stack: list[int] = []
    closed: set[int] = set()
    for start in range(len(variables)):
        if start in entered:
            continue
        entered[start] = low[start] = len(entered)
        place[start] = len(stack)
        stack.append(start)
        path = [(start, _depends_on(variables[start], by_key))]
        while path:
            node, children = path[-1]
            child = next(children, None)
            if child is None:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == entered[node]:
                    component = stack[place[node] :]
                    del stack[place[node] :]
                    closed.update(component)
                    yield component
            elif child not in entered:
                entered[child] = low[child] = len(entered)
                place[child] = len(stack)
                stack.append(child)
                path.append((child, _depends_on(variables[child], by_key)))
            elif child not in closed:
                low[node] = min(low[node], entered[child])
