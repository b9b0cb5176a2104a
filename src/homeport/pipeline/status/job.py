"""What the state machine must know of a job."""

from msgspec import Struct

from homeport.pipeline.model.config import When
from homeport.pipeline.model.plan import JobPlan


class StatusJob(Struct, frozen=True, kw_only=True):
    """`needs` is None for a job that waits for all earlier stages, else exact job names; names
    that are not on the board are needs that were optional. `allow_failure` is the unconditional
    kind; `allow_failure:exit_codes` come with the action that drops the job."""

    name: str
    stage: str
    when: When = When.ON_SUCCESS
    allow_failure: bool = False
    needs: tuple[str, ...] | None = None
    resource_group: str | None = None


def status_job(job: JobPlan, play: frozenset[str], now_delayed: bool) -> StatusJob:
    """A planned job as the state machine sees it. Manual and delayed jobs among `play`, and all
    delayed ones with `now_delayed`, start when their turn comes."""
    when = job.when
    asked_for = when in (When.MANUAL, When.DELAYED) and job.name in play
    if asked_for or (when is When.DELAYED and now_delayed):
        when = When.ON_SUCCESS
    return StatusJob(
        name=job.name,
        stage=job.stage,
        when=when,
        allow_failure=job.allow_failure.allowed and not job.allow_failure.exit_codes,
        needs=job.needs,
        resource_group=job.resource_group,
    )
