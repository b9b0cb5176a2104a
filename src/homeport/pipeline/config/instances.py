"""The names that `parallel` gives to the jobs of a configuration, for the checks across jobs.

Source: GitLab's CI/CD YAML reference, `parallel`, `needs:parallel:matrix`, matrix expressions.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final

from msgspec import structs

from homeport.pipeline.model.config import CrossNeed, Job, Need, Parallel

_EXPRESSION: Final = r"\$\[\[\s*matrix\.([a-zA-Z0-9_-]+)\s*\]\]"


class Instances:
    """Which exact names there are, and what a reference to a parallel job stands for."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._names = {
            name: tuple(dict.fromkeys(instance_names(name, job.parallel)))
            for name, job in jobs.items()
            if job.parallel is not None
        }
        # Of two jobs with one name GitLab keeps the later; a matrix can make such.
        self._jobs = {
            instance: job
            for name, job in jobs.items()
            for instance in self._names.get(name, (name,))
        }

    def __bool__(self) -> bool:
        """Whether any job is parallel."""
        return bool(self._names)

    def job(self, name: str) -> Job | None:
        """The job behind an exact name; a parallel job has no instance of its own name."""
        return self._jobs.get(name)

    def expand(self, need: Need) -> tuple[str, ...]:
        """The exact names that a need stands for."""
        if need.job not in self._names:
            return (need.job,)
        if need.matrix:
            return tuple(instance_names(need.job, Parallel(matrix=need.matrix)))
        return self._names[need.job]

    def expand_name(self, name: str) -> tuple[str, ...]:
        """The exact names that a dependency stands for."""
        return self._names.get(name, (name,))


def instance_names(name: str, parallel: Parallel) -> Iterator[str]:
    """GitLab's names of the jobs that `parallel` makes, in order."""
    if parallel.total is not None:
        for index in range(1, parallel.total + 1):
            yield f"{name} {index}/{parallel.total}"
        return
    for values in combinations(parallel):
        yield f"{name}: [{', '.join(values.values())}]"


def combinations(parallel: Parallel) -> Iterator[dict[str, str]]:
    """The variables of each job of a matrix."""
    for entry in parallel.matrix:
        for values in product(*entry.values()):
            yield dict(zip(entry, values, strict=True))


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
            return re.sub(_EXPRESSION, replace, item) if "$[[" in item else item
        if isinstance(item, Mapping):
            return {walk(key): walk(child) for key, child in item.items()}
        if isinstance(item, tuple):
            return tuple(walk(child) for child in item)
        if isinstance(item, list):
            return [walk(child) for child in item]
        return item

    result = walk(value)
    return (value if errors else result), tuple(errors)


def interpolate_needs(
    job: Job, variables: Mapping[str, str]
) -> tuple[Sequence[Need | CrossNeed], tuple[str, ...]]:
    """A job's needs for one of its instances, and the errors; with errors they stay as written.

    `variables` are those of the instance's place in the matrix; the job's own count too.
    """
    needs = job.needs or ()
    if not any(isinstance(need, Need) and _is_dynamic(need) for need in needs):
        return needs, ()
    known = {key: variable.value for key, variable in job.variables.items()}
    known.update(variables)
    filled: list[Need | CrossNeed] = []
    errors: dict[str, None] = {}
    for need in needs:
        if not isinstance(need, Need) or not _is_dynamic(need):
            filled.append(need)
            continue
        (name, matrix), found = interpolate((need.job, need.matrix), known)
        errors.update(dict.fromkeys(found))
        filled.append(structs.replace(need, job=name, matrix=matrix))
    return (needs if errors else filled), tuple(errors)


def all_interpolated_needs(job: Job) -> tuple[Sequence[Need | CrossNeed], tuple[str, ...]]:
    """The needs of all instances of a job together, each once, and the errors."""
    matrix = job.parallel.matrix if job.parallel is not None else ()
    if not matrix:
        return interpolate_needs(job, {})
    found: list[Need | CrossNeed] = []
    errors: dict[str, None] = {}
    for values in combinations(Parallel(matrix=matrix)):
        needs, wrong = interpolate_needs(job, values)
        # Compared, not hashed: a need holds mappings.
        found.extend(need for need in needs if need not in found)
        errors.update(dict.fromkeys(wrong))
        if needs is job.needs:
            break  # nothing in them depends on the matrix
    return (job.needs or () if errors else tuple(found)), tuple(errors)


def _is_dynamic(need: Need) -> bool:
    return "$[[" in need.job or any(
        "$[[" in value for entry in need.matrix for values in entry.values() for value in values
    )
