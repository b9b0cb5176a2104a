"""Which jobs a change of files concerns, when a pipeline is run again for it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from msgspec import Struct

from homeport.pipeline.conditions.clauses import check_rule
from homeport.pipeline.model.config import Changes, Rule
from homeport.pipeline.model.pipeline import Pipeline, PipelineJob
from homeport.pipeline.model.trigger import Trigger
from homeport.pipeline.variables.predefined import pipeline_variables
from homeport.pipeline.variables.scoped import chosen_values


class _Touched(Struct, frozen=True, kw_only=True):
    """Facts that know of nothing but the files that have changed just now."""

    paths: tuple[str, ...]

    def changed_files(self, compare_to: str | None) -> tuple[str, ...]:  # noqa: ARG002
        return self.paths

    def files(self, project: str | None, ref: str | None) -> tuple[str, ...]:
        return self.paths if project is None and ref is None else ()


def concerned_jobs(
    jobs: Iterable[PipelineJob],
    pipeline: Pipeline,
    trigger: Trigger,
    paths: tuple[str, ...],
    good: AbstractSet[str],
) -> frozenset[str]:
    """The names of those of `jobs` that are to run again since the files `paths` have changed:
    whose `changes` or `exists` (of `rules`, `only` or `except`) match one of them, or that have
    no such condition; those that are not `good` (succeeded before); and whatever needs one of
    these, or takes its artifacts."""
    facts = _Touched(paths=paths)
    shared = {
        **pipeline_variables(trigger),
        **{key: variable.value for key, variable in pipeline.variables.items()},
    }
    given = chosen_values(trigger.variables, None)

    def variables_of(job: PipelineJob) -> Mapping[str, str]:
        own = {key: variable.value for key, variable in job.variables.items()}
        return {**shared, **own, **job.matrix, **given}

    jobs = tuple(jobs)
    hit = {job.name for job in jobs if job.name not in good or _is_hit(job, variables_of, facts)}
    return frozenset(_with_dependents(jobs, hit))


def _is_hit(
    job: PipelineJob, variables_of: Callable[[PipelineJob], Mapping[str, str]], facts: _Touched
) -> bool:
    conditions = tuple(_conditions(job))
    if not conditions:
        return bool(facts.paths)
    variables = variables_of(job)
    return any(check_rule(each, variables, facts)[0] is not False for each in conditions)


def _conditions(job: PipelineJob) -> Iterator[Rule]:
    """Each condition on paths, as a rule of its own."""
    for rule in job.job.rules or ():
        if rule.changes is not None:
            yield Rule(changes=rule.changes)
        if rule.exists is not None:
            yield Rule(exists=rule.exists)
    for policy in (job.job.only, job.job.except_):
        if policy is not None and policy.changes is not None:
            yield Rule(changes=Changes(paths=policy.changes))


def _with_dependents(jobs: tuple[PipelineJob, ...], hit: set[str]) -> set[str]:
    makers = {job.name for job in jobs if job.job.artifacts is not None}
    users: dict[str, list[str]] = {}
    for job in jobs:
        needed = {need.job for need in job.needs or ()}
        for name in needed | makers.intersection(job.dependencies):
            users.setdefault(name, []).append(job.name)
    queue = list(hit)
    for name in queue:
        fresh = [user for user in users.get(name, ()) if user not in hit]
        hit.update(fresh)
        queue.extend(fresh)
    return hit
