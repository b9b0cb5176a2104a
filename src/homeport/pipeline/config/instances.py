"""The names that `parallel` gives to the jobs of a configuration, for the checks across jobs.

Source: GitLab's CI/CD YAML reference, `parallel`, `needs:parallel:matrix`, matrix expressions.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Final

from homeport.pipeline.model.config import CrossNeed, Job, Need, Parallel

_EXPRESSION: Final = re.compile(r"\$\[\[\s*matrix\.([a-zA-Z0-9_-]+)\s*\]\]")


class Instances:
    """Which exact names there are, and what a reference to a parallel job stands for."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._names = {
            name: tuple(instance_names(name, job.parallel))
            for name, job in jobs.items()
            if job.parallel is not None
        }
        self._jobs = jobs
        self._groups = {
            instance: group for group, names in self._names.items() for instance in names
        }

    def __bool__(self) -> bool:
        """Whether any job is parallel."""
        return bool(self._names)

    def job(self, name: str) -> Job | None:
        """The job behind an exact name; a parallel job has no instance of its own name."""
        group = self._groups.get(name)
        if group is not None:
            return self._jobs[group]
        return None if name in self._names else self._jobs.get(name)

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


def interpolated_needs(job: Job) -> tuple[Sequence[Need | CrossNeed], tuple[str, ...]]:
    """A job's needs with `$[[ matrix.NAME ]]` filled in for all of its instances, and the errors.

    Where a name is unknown, the needs stay as written.
    """
    needs = job.needs or ()
    if not any(isinstance(need, Need) and _is_dynamic(need) for need in needs):
        return needs, ()
    own = {key: variable.value for key, variable in job.variables.items()}
    found: dict[Need | CrossNeed, None] = {}
    errors: dict[str, None] = {}
    matrix = job.parallel.matrix if job.parallel is not None else ()
    for values in combinations(Parallel(matrix=matrix)) if matrix else ({},):
        known = {**own, **values}
        for need in needs:
            if not isinstance(need, Need) or not _is_dynamic(need):
                found[need] = None
                continue
            filled, missing = _fill(need, known)
            found[filled] = None
            errors.update(dict.fromkeys(missing))
    return (needs if errors else tuple(found)), tuple(errors)


def _is_dynamic(need: Need) -> bool:
    return "$[[" in need.job or any(
        "$[[" in value for entry in need.matrix for values in entry.values() for value in values
    )


def _fill(need: Need, known: Mapping[str, str]) -> tuple[Need, list[str]]:
    missing: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if match[1] not in known:
            missing.append(f"'{match[1]}' does not exist in matrix configuration")
        return known.get(match[1], match[0])

    matrix = tuple(
        {
            key: tuple(_EXPRESSION.sub(replace, value) for value in values)
            for key, values in entry.items()
        }
        for entry in need.matrix
    )
    filled = Need(
        job=_EXPRESSION.sub(replace, need.job),
        artifacts=need.artifacts,
        optional=need.optional,
        matrix=matrix,
        span=need.span,
    )
    return filled, missing
