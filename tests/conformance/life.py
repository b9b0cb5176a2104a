"""Pipelines: which jobs there are, and what becomes of them."""

from collections.abc import Mapping
from typing import Any

from conformance.conditions import Tree
from conformance.configuration import read_config
from homeport.errors import Severity, UsageError
from homeport.pipeline.evaluate.evaluate import evaluate
from homeport.pipeline.model.pipeline import Pipeline, PipelineJob, Verdict
from homeport.pipeline.model.trigger import AllChanged, Commit, MergeRequest, Source, Trigger
from homeport.pipeline.status.board import Board
from homeport.pipeline.status.job import StatusJob
from homeport.pipeline.status.transition import Action

_COMMIT = Commit(
    sha="1" * 40,
    title="A commit",
    message="A commit",
    description="",
    timestamp="2024-01-01T00:00:00+00:00",
    author="Somebody <somebody@example.com>",
)


def trigger_of(given: Mapping[str, Any]) -> Trigger:
    source = Source(given.get("source", "push"))
    tag = given.get("tag")
    request = None
    if source is Source.MERGE_REQUEST:
        request = MergeRequest(target_branch=given.get("target_branch", "master"), title="A change")
    return Trigger(
        root="/repository",
        source=source,
        branch=None if tag else given.get("branch", "master"),
        tag=tag,
        commit=_COMMIT,
        default_branch="master",
        merge_request=request,
    )


def _pipeline(given: Mapping[str, Any]) -> Pipeline:
    changed = given.get("changed_files")
    diff = AllChanged("there is no diff") if changed is None else tuple(changed)
    tree = Tree({None: diff}, tuple(given.get("repository") or ()))
    return evaluate(read_config(given), trigger_of(given), tree)


def answer_pipeline(given: Mapping[str, Any], _expected: Mapping[str, Any]) -> Mapping[str, Any]:
    """The jobs that a trigger makes of a configuration, or the errors of creation."""
    try:
        pipeline = _pipeline(given)
    except UsageError as error:
        return {"valid": False, "errors": [problem.message for problem in error.problems]}
    errors = [each.message for each in pipeline.problems if each.severity is Severity.ERROR]
    return {
        "valid": not errors,
        "created": pipeline.workflow.verdict is Verdict.IN and not errors,
        "errors": errors,
        "pipeline_name": pipeline.name,
        "stages": list(pipeline.stages),
        "names": [job.name for job in pipeline.jobs],
        "jobs": {job.name: _describe(job) for job in pipeline.jobs},
    }


def _describe(job: PipelineJob) -> dict[str, Any]:
    allow = job.allow_failure
    return {
        "stage": job.stage,
        "when": job.when.value,
        "allow_failure": allow.allowed and not allow.exit_codes,
        "needs": None if job.needs is None else [need.job for need in job.needs],
        "dependencies": list(job.dependencies),
        "variables": {key: variable.value for key, variable in job.variables.items()},
        "interruptible": job.interruptible,
        "start_in": job.start_in,
    }


def answer_status(given: Mapping[str, Any], _expected: Mapping[str, Any]) -> Mapping[str, Any]:
    pipeline = _pipeline(given)
    board = Board(
        pipeline.stages,
        [_status_job(job) for job in pipeline.jobs],
        cancel_on_failure=pipeline.auto_cancel.get("on_job_failure") == "all",
    )
    seen = [_show(board)]
    for transition in given["transitions"]:
        board.apply(Action(transition["event"]), transition.get("jobs"))
        seen.append(_show(board))
    return {"init": seen[0], "after": seen[1:]}


def _status_job(job: PipelineJob) -> StatusJob:
    return StatusJob(
        name=job.name,
        stage=job.stage,
        when=job.when,
        allow_failure=job.allow_failure.allowed and not job.allow_failure.exit_codes,
        needs=None if job.needs is None else tuple(need.job for need in job.needs),
        resource_group=job.job.resource_group,
    )


def _show(board: Board) -> dict[str, Any]:
    return {"pipeline": board.pipeline, "stages": board.stages(), "jobs": board.statuses()}
