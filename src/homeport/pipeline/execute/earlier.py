"""Artifacts of earlier runs, for jobs that are run without what they need."""

from collections.abc import Callable

from homeport.errors import MissingError, Problem
from homeport.pipeline.execute.state import Finished
from homeport.pipeline.model.event import Status
from homeport.pipeline.model.plan import Plan


def refuse_missing(plan: Plan, latest: Callable[[str], Finished | None]) -> None:
    """Raise `MissingError` naming every artifact that a job of `plan` would find nowhere."""
    here = {job.name for job in plan.jobs}
    problems = []
    for job in plan.jobs:
        absent = [
            name
            for name in job.dependencies
            if name not in here and not _left_something(latest(name))
        ]
        if absent:
            names = ", ".join(absent)
            problems.append(
                Problem(
                    code="artifacts-missing",
                    message=f"{job.name} needs the artifacts of {names}, which no earlier run left",
                    hint="add --needs to run what it needs first",
                )
            )
    if problems:
        raise MissingError(problems)


def _left_something(finished: Finished | None) -> bool:
    if finished is None:
        return False
    succeeded = finished.status is Status.SUCCESS
    return succeeded or finished.artifacts is not None or bool(finished.dotenv)
