"""Needs and dependencies of the jobs that are in: names that exist, and artifacts to fetch.

Source: GitLab's CI/CD YAML reference, `needs`, `needs:optional`, `needs:artifacts`, `dependencies`;
the messages are those of pipeline creation.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import structs

from homeport.errors import Problem
from homeport.pipeline.config.instances import interpolate_needs
from homeport.pipeline.evaluate.jobs import split_needs
from homeport.pipeline.evaluate.matrix import Expansion
from homeport.pipeline.model.config import Need
from homeport.pipeline.model.pipeline import Decision, PipelineJob, Verdict

MAX_NEEDS = 50
"""GitLab's `ci_needs_size_limit`."""


def settle_needs(
    jobs: Sequence[PipelineJob], expansion: Expansion, *, max_needs: int = MAX_NEEDS
) -> tuple[tuple[PipelineJob, ...], tuple[Problem, ...]]:
    """Drop optional needs of absent jobs, complain of the others, spread "unresolved" along needs,
    and fill in `dependencies`. `jobs` are in stage order."""
    problems: list[Problem] = []
    present = {job.name for job in jobs}
    settled: list[PipelineJob] = []
    for job in jobs:
        if job.needs is None or job.decision.verdict is Verdict.UNRESOLVED:
            settled.append(job)
            continue
        problems.extend(_errors(job, _checked(job, expansion), present, max_needs))
        kept = tuple(need for need in job.needs if need.job in present)
        settled.append(job if len(kept) == len(job.needs) else structs.replace(job, needs=kept))
    spread = _spread_unresolved(settled)
    return tuple(_with_dependencies(spread)), tuple(problems)


def _checked(job: PipelineJob, expansion: Expansion) -> Sequence[Need]:
    """The needs that GitLab checks: those of the job itself, also where its rule replaces them."""
    rule = job.decision.rule
    rules = job.job.rules
    if rule is None or rules is None or not rules[rule - 1].needs:
        return job.needs or ()
    own, _ = split_needs(tuple(interpolate_needs(job.job, job.matrix)[0]), expansion)
    return own or ()


def _errors(
    job: PipelineJob, needs: Sequence[Need], present: set[str], max_needs: int
) -> Iterable[Problem]:
    if len(needs) > max_needs:
        yield Problem(
            code="too-many-needs",
            message=f"{job.name}: one job can only need {max_needs} others, but you have listed "
            f"{len(needs)}. See needs keyword documentation for more details",
            span=job.job.span,
        )
        return
    for need in needs:
        if need.optional or need.job in present:
            continue
        yield Problem(
            code="need-absent",
            message=f"'{job.name}' job needs '{need.job}' job, but '{need.job}' does not exist in "
            "the pipeline. This might be because of the only, except, or rules keywords. To need "
            "a job that sometimes does not exist in the pipeline, use needs:optional.",
            span=need.span or job.job.span,
        )


def _spread_unresolved(jobs: Sequence[PipelineJob]) -> list[PipelineJob]:
    """A job that needs an unresolved job is unresolved too, through any number of steps."""
    bad = {job.name for job in jobs if job.decision.verdict is Verdict.UNRESOLVED}
    if not bad:
        return list(jobs)
    by_name = {job.name: job for job in jobs}
    dependents: dict[str, list[str]] = {}
    for job in jobs:
        for need in job.needs or ():
            dependents.setdefault(need.job, []).append(job.name)
    queue = list(bad)
    for name in queue:
        for dependent in dependents.get(name, ()):
            if dependent in bad:
                continue
            bad.add(dependent)
            queue.append(dependent)
            by_name[dependent] = _unresolved(
                by_name[dependent], f"needs {name}, which is unresolved"
            )
    return [by_name[job.name] for job in jobs]


def _unresolved(job: PipelineJob, reason: str) -> PipelineJob:
    decision = Decision(
        verdict=Verdict.UNRESOLVED,
        reason=reason,
        rule=job.decision.rule,
        checks=job.decision.checks,
        span=job.decision.span,
    )
    return structs.replace(job, decision=decision, unresolved=(*job.unresolved, reason))


def _with_dependencies(jobs: Sequence[PipelineJob]) -> Iterable[PipelineJob]:
    """Whose artifacts each job fetches: of its needs, else of every job of the earlier stages;
    `dependencies` picks among them."""
    earlier: tuple[str, ...] = ()
    stage: str | None = None
    current: list[str] = []
    by_stage: Mapping[str, None] = dict.fromkeys(job.name for job in jobs)
    for job in jobs:
        if job.stage != stage:
            earlier = (*earlier, *current)
            stage, current = job.stage, []
        current.append(job.name)
        listed = job.dependencies if job.job.dependencies is not None else None
        if listed is not None and job.needs is None:
            fetched = tuple(name for name in listed if name in by_stage)
        elif job.needs is not None:
            fetched = _fetched_by_needs(job.needs, listed)
        else:
            fetched = earlier
        yield job if fetched == job.dependencies else structs.replace(job, dependencies=fetched)


def _fetched_by_needs(needs: Sequence[Need], listed: tuple[str, ...] | None) -> tuple[str, ...]:
    return tuple(
        need.job for need in needs if need.artifacts and (listed is None or need.job in listed)
    )
