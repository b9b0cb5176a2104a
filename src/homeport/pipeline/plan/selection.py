"""Which jobs a person means: a job's name, a parallel group, or a glob; and what they need."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from homeport.errors import MissingError, Problem, UsageError
from homeport.pipeline.model.config import When
from homeport.pipeline.model.pipeline import Pipeline, PipelineJob, Verdict

SHOWN_JOBS = 8


class Selected(Struct, frozen=True, kw_only=True):
    """`jobs` in pipeline order; `named` are those that the person asked for by name, with the
    manual jobs that these need."""

    jobs: tuple[PipelineJob, ...]
    named: frozenset[str]


def find_jobs(pattern: str, jobs: Sequence[PipelineJob]) -> tuple[PipelineJob, ...]:
    """The jobs that `pattern` names: an exact name first, then a group, then a glob; last a glob
    whose brackets stand for themselves, as those in the names of a matrix do."""
    for matches in (_exact, _group, _glob, _glob_with_brackets):
        found = tuple(job for job in jobs if matches(job, pattern))
        if found:
            return found
    raise UsageError([_unknown(pattern, jobs)])


def select_jobs(pipeline: Pipeline, patterns: Sequence[str], *, needs: bool) -> Selected:
    """The jobs to run for these patterns, with all that they need when `needs` is set.

    A pattern that only names jobs which their rules leave out is an error with the reason.
    """
    named: dict[str, None] = {}
    problems: list[Problem] = []
    for pattern in patterns:
        try:
            found = find_jobs(pattern, (*pipeline.jobs, *pipeline.excluded))
        except UsageError as error:
            problems.extend(error.problems)
            continue
        inside = [job.name for job in found if job.decision.verdict is not Verdict.OUT]
        if not inside:
            problems.extend(_left_out(job) for job in found)
        named.update(dict.fromkeys(inside))
    if problems:
        raise UsageError(problems)
    wanted = _closure(pipeline, named) if needs else set(named)
    jobs = tuple(job for job in pipeline.jobs if job.name in wanted)
    started = (*named, *_needed_manual(pipeline, named)) if needs else named
    return Selected(jobs=jobs, named=frozenset(started))


def select_all(pipeline: Pipeline, *, play: Sequence[str] = ()) -> Selected:
    """Every job of the pipeline; those of these patterns are started by hand."""
    named = select_jobs(pipeline, play, needs=False).named if play else frozenset()
    return Selected(jobs=pipeline.jobs, named=named)


def below(pipeline: Pipeline, patterns: Iterable[str]) -> dict[str, str]:
    """The patterns that name jobs of child pipelines (`trigger job:job`), and the trigger job of
    each: there is no such job before that has run."""
    triggers = [job.name for job in pipeline.jobs if job.job.trigger is not None]
    if not triggers:
        return {}
    found = {}
    for pattern in patterns:
        over = [name for name in triggers if pattern.startswith(f"{name}:")]
        if over and not any(_names(job, pattern) for job in pipeline.jobs):
            found[pattern] = max(over, key=len)
    return found


def refuse_unresolved(selected: Selected) -> None:
    """Raise `MissingError` with every job whose meaning is not known here, and why."""
    problems = [
        Problem(
            code="job-unresolved",
            message=f"{job.name} cannot be run here: {job.decision.reason}",
            span=job.decision.span or job.job.span,
        )
        for job in selected.jobs
        if job.decision.verdict is Verdict.UNRESOLVED
    ]
    if problems:
        raise MissingError(problems)


def _names(job: PipelineJob, pattern: str) -> bool:
    return any(matches(job, pattern) for matches in (_exact, _group, _glob, _glob_with_brackets))


def _exact(job: PipelineJob, pattern: str) -> bool:
    return job.name == pattern


def _group(job: PipelineJob, pattern: str) -> bool:
    return job.group == pattern


def _glob(job: PipelineJob, pattern: str) -> bool:
    return fnmatchcase(job.name, pattern)


def _glob_with_brackets(job: PipelineJob, pattern: str) -> bool:
    return fnmatchcase(job.name, pattern.replace("[", "[[]"))


def _unknown(pattern: str, jobs: Iterable[PipelineJob]) -> Problem:
    from difflib import get_close_matches

    jobs = tuple(jobs)
    names = list(dict.fromkeys(name for job in jobs for name in (job.name, job.group)))
    inside = list(dict.fromkeys(job.group for job in jobs if job.stage == pattern))
    near = get_close_matches(pattern, names, n=3, cutoff=0.6)
    hint = "homeport list --all shows every job"
    if inside:
        more = ", …" if len(inside) > SHOWN_JOBS else ""
        hint = f"it is a stage, with the jobs {', '.join(inside[:SHOWN_JOBS])}{more}"
    elif near:
        hint = f"did you mean {' or '.join(near)}?"
    name = pattern or "''"
    return Problem(code="unknown-job", message=f"there is no job {name}", hint=hint)


def _left_out(job: PipelineJob) -> Problem:
    from shlex import quote

    return Problem(
        code="job-left-out",
        message=f"{job.name} is not in this pipeline: {job.decision.reason}",
        span=job.decision.span or job.job.span,
        hint=f"homeport explain {quote(job.name)} shows each condition with its values",
    )


def _needed_manual(pipeline: Pipeline, named: Iterable[str]) -> list[str]:
    """The manual jobs that the named jobs need by `needs`, directly or through others. Those that
    are only of an earlier stage are not asked for."""
    by_name = {job.name: job for job in pipeline.jobs}
    queue = list(named)
    seen = set(queue)
    for name in queue:
        found = [need.job for need in by_name[name].needs or () if need.job in by_name]
        fresh = [other for other in found if other not in seen]
        seen.update(fresh)
        queue.extend(fresh)
    return [name for name in queue if by_name[name].when is When.MANUAL]


def _closure(pipeline: Pipeline, named: Iterable[str]) -> set[str]:
    """All that the named jobs wait for: their needs, or every job of the earlier stages. What is
    unresolved may need a job, or be of a stage, that no known file defines."""
    by_name = {job.name: job for job in pipeline.jobs}
    order = {stage: index for index, stage in enumerate(pipeline.stages)}
    last = len(order)
    wanted = set(named)
    queue = list(wanted)
    latest = -1
    for name in queue:
        job = by_name[name]
        place = order.get(job.stage, last)
        if job.needs is not None:
            found = [need.job for need in job.needs if need.job in by_name]
        elif latest < place < last:
            latest = place
            found = [other.name for other in pipeline.jobs if order.get(other.stage, last) < latest]
        else:
            continue
        fresh = [other for other in found if other not in wanted]
        wanted.update(fresh)
        queue.extend(fresh)
    return wanted
