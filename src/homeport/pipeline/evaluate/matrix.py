"""Parallel jobs as jobs of their own: each with its name, its variables and its place.

Source: GitLab's CI/CD YAML reference, `parallel`, `parallel:matrix`, `needs:parallel:matrix`.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from homeport.pipeline.config.instances import Instances, combinations, instance_names
from homeport.pipeline.model.config import Job, Need, Parallel


class Instance(Struct, frozen=True, kw_only=True):
    """One job made by `parallel`; `index` counts from 1."""

    name: str
    variables: Mapping[str, str]
    index: int
    total: int


def instances(name: str, parallel: Parallel) -> tuple[Instance, ...]:
    """The jobs that one `parallel` makes of `name`, in GitLab's order."""
    names = tuple(instance_names(name, parallel))
    variables = list(combinations(parallel)) or [{}] * len(names)
    return tuple(
        Instance(name=made, variables=values, index=index, total=len(names))
        for index, (made, values) in enumerate(zip(names, variables, strict=True), 1)
    )


class Expansion:
    """The instances of every parallel job, and the names that a reference to one stands for."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._names = Instances(jobs)
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
        return tuple(exact for name in names for exact in self._names.expand_name(name))

    def expand_need(self, need: Need) -> tuple[Need, ...]:
        """A need of a parallel job as needs of its instances, or of those that `matrix` picks."""
        if need.job not in self._instances:
            return (need,)
        return tuple(
            structs.replace(need, job=name, matrix=()) for name in self._names.expand(need)
        )
