"""Parallel jobs: GitLab's names, variables, and how needs and dependencies reach them.

Source: GitLab's CI/CD YAML reference, `parallel`, `parallel:matrix`, `needs:parallel:matrix`, and
matrix expressions `$[[ matrix.NAME ]]`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from msgspec import Struct, structs

from homeport.pipeline.model.config import CrossNeed, Job, Need, Parallel

_EXPRESSION = re.compile(r"\$\[\[\s*matrix\.([A-Za-z0-9_]+)\s*\]\]")


class Instance(Struct, frozen=True, kw_only=True):
    """One job made by `parallel`; `index` counts from 1."""

    name: str
    variables: Mapping[str, str]
    index: int
    total: int


def instances(name: str, parallel: Parallel) -> tuple[Instance, ...]:
    """The jobs that one `parallel` makes of `name`, in GitLab's order."""
    if parallel.total is not None:
        total = parallel.total
        return tuple(
            Instance(name=f"{name} {index}/{total}", variables={}, index=index, total=total)
            for index in range(1, total + 1)
        )
    combinations = list(_combinations(parallel.matrix))
    return tuple(
        Instance(
            name=f"{name}: [{', '.join(values.values())}]",
            variables=values,
            index=index,
            total=len(combinations),
        )
        for index, values in enumerate(combinations, 1)
    )


def interpolate(value: Any, variables: Mapping[str, str] | None) -> tuple[Any, tuple[str, ...]]:
    """`value` with every `$[[ matrix.NAME ]]` replaced, through lists and mappings, and the errors.

    Where anything is missing the value is returned as it was.
    """
    known = variables or {}
    errors: dict[str, None] = {}

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name not in known:
            errors[f"'{name}' does not exist in matrix configuration"] = None
        return known.get(name, match[0])

    def walk(item: Any) -> Any:
        if isinstance(item, str):
            return _EXPRESSION.sub(replace, item) if "$[[" in item else item
        if isinstance(item, Mapping):
            return {walk(key): walk(child) for key, child in item.items()}
        if isinstance(item, tuple):
            return tuple(walk(child) for child in item)
        if isinstance(item, Sequence):
            return [walk(child) for child in item]
        return item

    result = walk(value)
    return (value if errors else result), tuple(errors)


def interpolate_needs(
    job: Job, variables: Mapping[str, str]
) -> tuple[tuple[Need | CrossNeed, ...] | None, tuple[str, ...]]:
    """A matrix job's needs for one of its instances, and the errors (in GitLab's words)."""
    if job.needs is None or not variables:
        return job.needs, ()
    result: list[Need | CrossNeed] = []
    errors: dict[str, None] = {}
    for need in job.needs:
        if not isinstance(need, Need):
            result.append(need)
            continue
        (name, matrix), found = interpolate((need.job, need.matrix), variables)
        errors.update(dict.fromkeys(f"{job.name} job: {error}" for error in found))
        result.append(structs.replace(need, job=name, matrix=matrix))
    return (job.needs if errors else tuple(result)), tuple(errors)


class Expansion:
    """The instances of every parallel job, and the names that a reference to one stands for."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._instances = {
            name: instances(name, job.parallel)
            for name, job in jobs.items()
            if job.parallel is not None
        }

    def of(self, name: str) -> tuple[Instance, ...] | None:
        """The instances of job `name`, or None if it is not parallel."""
        return self._instances.get(name)

    def expand_names(self, names: Sequence[str]) -> tuple[str, ...]:
        """`dependencies` with each parallel job replaced by all of its instances."""
        return tuple(
            expanded
            for name in names
            for expanded in (
                (instance.name for instance in self._instances[name])
                if name in self._instances
                else (name,)
            )
        )

    def expand_need(self, need: Need) -> tuple[Need, ...]:
        """A need of a parallel job as needs of its instances, or of those that `matrix` picks."""
        if need.job not in self._instances:
            return (need,)
        if need.matrix:
            picked = instances(need.job, Parallel(matrix=need.matrix))
        else:
            picked = self._instances[need.job]
        return tuple(structs.replace(need, job=instance.name, matrix=()) for instance in picked)


def _combinations(matrix: Sequence[Mapping[str, Sequence[str]]]) -> Iterator[dict[str, str]]:
    for entry in matrix:
        for values in product(*entry.values()):
            yield dict(zip(entry, values, strict=True))
