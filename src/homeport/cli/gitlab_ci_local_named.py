"""A job that is named runs, whatever its rules or those of the workflow say.

gitlab-ci-local does so, and people try the jobs of other pipelines with it (a deployment, the job
of a merge request). GitLab has nothing like it, so that it is said.
"""

import re
from collections.abc import Iterator, Sequence

from msgspec import structs

from homeport.errors import Problem, Severity
from homeport.pipeline.evaluate.evaluate import evaluate
from homeport.pipeline.evaluate.needs import MAX_NEEDS
from homeport.pipeline.facts.changes import GitFacts
from homeport.pipeline.flow import Evaluation
from homeport.pipeline.model.config import Config
from homeport.pipeline.model.pipeline import Pipeline, PipelineJob, Verdict

_MATRIX = re.compile(r"(.+): \[(.*)\]")
_PART = re.compile(r"([0-9]+)/([0-9]+)")


def with_named(evaluation: Evaluation, names: Sequence[str]) -> tuple[Evaluation, list[Problem]]:
    """The evaluation with all jobs of these names in the pipeline, and what there is to say."""
    notes: list[Problem] = []
    workflow = evaluation.pipeline.workflow
    if names and workflow.verdict is Verdict.OUT:
        config = evaluation.config
        config = structs.replace(config, workflow=structs.replace(config.workflow, rules=None))
        evaluation = _again(evaluation, config)
        notes.append(_note(f"there is no such pipeline: {workflow.reason}"))
    names = [known_name(name, evaluation.pipeline) for name in names]
    left_out = list(_left_out(evaluation, names))
    if left_out:
        config = evaluation.config
        groups = {job.group for job in left_out}
        jobs = {
            name: structs.replace(job, rules=None, only=None, except_=None)
            if name in groups
            else job
            for name, job in config.jobs.items()
        }
        evaluation = _again(evaluation, structs.replace(config, jobs=jobs))
        notes += (
            _note(f"{job.name} is not in this pipeline: {job.decision.reason}") for job in left_out
        )
    return evaluation, notes


def known_name(name: str, pipeline: Pipeline) -> str:
    """GitLab's name for a job that gitlab-ci-local calls otherwise: `p: [1/2]` is `p 1/2`, and
    `q: [a,b]` is `q: [a, b]`."""
    names = {job.name for job in (*pipeline.jobs, *pipeline.excluded)}
    found = _MATRIX.fullmatch(name)
    if name in names or found is None:
        return name
    group, inner = found.groups()
    theirs = f"{group} {inner}" if _PART.fullmatch(inner) else None
    if theirs in names:
        return str(theirs)
    near = (each for each in names if each.replace(", ", ",") == name.replace(", ", ","))
    return next(near, name)


def _left_out(evaluation: Evaluation, names: Sequence[str]) -> Iterator[PipelineJob]:
    """The jobs of each name that names nothing else."""
    pipeline = evaluation.pipeline
    present = {name for job in pipeline.jobs for name in (job.name, job.group)}
    wanted = set(names) - present
    return (job for job in pipeline.excluded if job.name in wanted or job.group in wanted)


def _again(evaluation: Evaluation, config: Config) -> Evaluation:
    needs = evaluation.request.settings.limits.needs
    pipeline = evaluate(
        config,
        evaluation.trigger,
        GitFacts(evaluation.git, evaluation.trigger),
        max_needs=MAX_NEEDS if needs is None else needs,
    )
    return structs.replace(evaluation, config=config, pipeline=pipeline)


def _note(message: str) -> Problem:
    return Problem(
        code="named-anyway",
        severity=Severity.NOTE,
        message=message,
        hint="it is run since it was named, as gitlab-ci-local does",
    )
