"""Which action takes a job, a stage or a pipeline from which status to which.

Source: GitLab, the state machines of app/models/commit_status.rb, ci/processable.rb, ci/build.rb,
ci/stage.rb and ci/pipeline.rb, and app/services/ci/process_build_service.rb.
"""

from enum import StrEnum

from homeport.pipeline.model.config import When
from homeport.pipeline.model.event import Status


class Action(StrEnum):
    """What is done to jobs from outside; each is one of GitLab's events.

    ENQUEUE makes a created, skipped, manual or scheduled job pending. PLAY does so and gives the
    jobs that were skipped because of it another chance. RETRY starts a finished job anew.
    """

    ENQUEUE = "enqueue"
    UNSCHEDULE = "unschedule"
    RUN = "run"
    SUCCESS = "success"
    DROP = "drop"
    CANCEL = "cancel"
    SKIP = "skip"
    PLAY = "play"
    RETRY = "retry"


COMPLETED = frozenset({Status.SUCCESS, Status.FAILED, Status.CANCELED, Status.SKIPPED})
RETRYABLE = frozenset({Status.SUCCESS, Status.FAILED, Status.CANCELED})
# Canceling a whole pipeline leaves its manual jobs alone.
CANCELABLE = frozenset(
    {
        Status.CREATED,
        Status.WAITING_FOR_RESOURCE,
        Status.PENDING,
        Status.RUNNING,
        Status.SCHEDULED,
    }
)
ENQUEUEABLE = frozenset({Status.CREATED, Status.SKIPPED, Status.MANUAL, Status.SCHEDULED})

_UNFINISHED = frozenset(
    {Status.CREATED, Status.WAITING_FOR_RESOURCE, Status.PENDING, Status.RUNNING}
)
_TRANSITIONS: dict[Action, tuple[frozenset[Status], Status]] = {
    Action.UNSCHEDULE: (frozenset({Status.SCHEDULED}), Status.MANUAL),
    Action.RUN: (frozenset({Status.PENDING}), Status.RUNNING),
    Action.SUCCESS: (_UNFINISHED, Status.SUCCESS),
    Action.DROP: (_UNFINISHED | {Status.MANUAL, Status.SCHEDULED}, Status.FAILED),
    Action.CANCEL: (CANCELABLE | {Status.MANUAL}, Status.CANCELED),
    Action.SKIP: (_UNFINISHED - {Status.RUNNING}, Status.SKIPPED),
}

_GOOD = frozenset({Status.SUCCESS})
_GOOD_OR_SKIPPED = frozenset({Status.SUCCESS, Status.SKIPPED})
_ANY_RESULT = frozenset({Status.SUCCESS, Status.FAILED, Status.SKIPPED})
_BAD = frozenset({Status.FAILED})


def next_status(action: Action, status: Status) -> Status | None:
    """Where a simple action takes a job, or None when it does not apply to that status."""
    sources, target = _TRANSITIONS[action]
    return target if status in sources else None


def starts_after(when: When, by_needs: bool, previous: Status) -> bool:
    """Whether a job starts, rather than being skipped, once what it waits for is `previous`."""
    match when:
        case When.ON_SUCCESS | When.MANUAL | When.DELAYED:
            return previous in (_GOOD if by_needs else _GOOD_OR_SKIPPED)
        case When.ON_FAILURE:
            return previous in _BAD
        case When.ALWAYS:
            return previous in _ANY_RESULT
        case When.NEVER:
            return False


def next_stage_status(current: Status, composite: Status) -> Status:
    """A stage shows its composite status, but never goes back to created."""
    return current if composite is Status.CREATED else composite


def next_pipeline_status(current: Status, composite: Status) -> Status:
    """A pipeline that once ran or ended does not become pending again, but running."""
    if composite is Status.CREATED:
        return current
    if composite is Status.PENDING and current in RETRYABLE | {Status.RUNNING}:
        return Status.RUNNING
    return composite
