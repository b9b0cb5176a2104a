"""What the state machine must know of a job."""

from msgspec import Struct

from homeport.pipeline.model.config import When


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
