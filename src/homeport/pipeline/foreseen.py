"""The child pipelines that are known before anything runs: those of files that are there.

In: an evaluated pipeline. Out: its jobs with those of its children, named as in a run. What a job
is to generate, and what dotenv variables are to say, is not known yet, and is said. Used by
`homeport list --children` and `homeport lint`.
"""

from collections.abc import Iterator

from msgspec import Struct, structs

from homeport.errors import HomeportError, Problem, Severity, Span
from homeport.pipeline.downstream import (
    MAX_DEPTH,
    MAX_PIPELINES,
    UNREACHED,
    on_command_line,
    whole,
)
from homeport.pipeline.flow import Artifact, Evaluation, evaluate_child
from homeport.pipeline.include.location import LocationError
from homeport.pipeline.model.pipeline import PipelineJob, Verdict
from homeport.pipeline.model.plan import JobPlan
from homeport.pipeline.model.trigger import Source, Upstream
from homeport.pipeline.plan.plan import make_plan
from homeport.pipeline.plan.selection import Selected
from homeport.pipeline.variables.forwarded import divide, forwarded_variables


class Foreseen(Struct, frozen=True, kw_only=True):
    """The jobs of the child pipelines by their trigger job, at any depth; `problems` are warnings
    about those that cannot be made, and notes about those that are not known yet."""

    jobs: dict[str, tuple[PipelineJob, ...]]
    problems: tuple[Problem, ...]


def foresee(evaluation: Evaluation) -> Foreseen:
    """The child pipelines of an evaluated pipeline, and theirs."""
    jobs: dict[str, tuple[PipelineJob, ...]] = {}
    problems: list[Problem] = []
    later: list[str] = []

    def not_yet(job: str, path: str) -> bytes | None:
        later.append(path)
        raise LocationError(f"{path} is known once {job} has run")

    todo = [(evaluation, "", 0)]
    for parent, prefix, depth in todo:
        spans = {job.name: job.job.span for job in parent.pipeline.jobs}
        for plan in _triggers(parent):
            name = prefix + plan.name
            later.clear()
            try:
                if depth >= MAX_DEPTH or len(jobs) + 1 >= MAX_PIPELINES:
                    continue  # a run says so
                child = _evaluate(parent, plan, depth, not_yet)
            except HomeportError as error:
                problems += [
                    _told(name, spans[plan.name], problem, bool(later))
                    for problem in error.problems
                ]
                continue
            jobs[name] = tuple(_under(name, job) for job in child.pipeline.jobs)
            todo.append((child, f"{name}:", depth + 1))
    return Foreseen(jobs=jobs, problems=tuple(problems))


def _triggers(evaluation: Evaluation) -> Iterator[JobPlan]:
    """The plans of the jobs that make child pipelines."""
    if evaluation.trigger.commit is None:
        return
    jobs = tuple(
        job
        for job in evaluation.pipeline.jobs
        if job.decision.verdict is Verdict.IN and job.job.trigger and job.job.trigger.include
    )
    selected = Selected(jobs=jobs, named=frozenset())
    settings = evaluation.request.settings
    yield from make_plan(evaluation.pipeline, evaluation.trigger, settings, selected).jobs


def _evaluate(parent: Evaluation, job: JobPlan, depth: int, artifact: Artifact) -> Evaluation:
    assert job.trigger is not None  # noqa: S101 - narrows the type
    own, pipeline = divide(parent.trigger.variables, on_command_line(parent.request.settings))
    handed = forwarded_variables(
        job.trigger, job=(*job.variables, *job.overrides), dotenv={}, pipeline=pipeline
    )
    trigger = structs.replace(
        parent.trigger,
        source=Source.PARENT_PIPELINE,
        pipeline_id=parent.trigger.pipeline_id + 1,
        upstream=Upstream(pipeline_id=parent.trigger.pipeline_id, depth=depth + 1),
        variables=(*own, *handed),
    )
    return whole(evaluate_child(parent, trigger, job.trigger.include, artifact))


def _under(trigger: str, job: PipelineJob) -> PipelineJob:
    needs = job.needs and tuple(
        structs.replace(need, job=f"{trigger}:{need.job}") for need in job.needs
    )
    dependencies = tuple(f"{trigger}:{name}" for name in job.dependencies)
    name = f"{trigger}:{job.name}"
    return structs.replace(job, name=name, needs=needs, dependencies=dependencies)


def _told(name: str, span: Span | None, problem: Problem, later: bool) -> Problem:
    """A child pipeline that cannot be made fails its trigger job, but is no error of the pipeline
    itself: GitLab, too, calls that valid."""
    unknown = later or problem.code == UNREACHED or problem.severity is Severity.NOTE
    return structs.replace(
        problem,
        message=f"the child pipeline of {name}: {problem.message}",
        severity=Severity.NOTE if unknown else Severity.WARNING,
        span=problem.span or span,
    )
