"""How a pipeline ends, and how the jobs leave it that never ran."""

from collections.abc import Callable

from msgspec import Struct

from homeport.pipeline.execute.children import BLOCKED, Children
from homeport.pipeline.model.event import Status
from homeport.pipeline.status.board import Board
from homeport.pipeline.status.transition import Action

Ask = Callable[[tuple[str, ...]], tuple[str, ...]]
"""Asks somebody which of these manual jobs to start; none of them ends the run."""


class Ending(Struct, frozen=True, kw_only=True):
    """`left` are jobs that were not told of: name, status and why. The rest is of `RunFinished`."""

    left: tuple[tuple[str, Status, str], ...]
    status: Status
    blocked: tuple[str, ...]
    failed: tuple[str, ...]


def manual_jobs(board: Board, children: Children) -> tuple[str, ...]:
    """The manual jobs that nobody has started. A trigger job that waits for one of its pipeline's
    is none of them."""
    return tuple(
        name
        for name, status in board.statuses().items()
        if status is Status.MANUAL and name not in children.blocked
    )


def ending(board: Board, children: Children, *, stopped: bool) -> Ending:
    """The end of a pipeline in which nothing goes on any more."""
    statuses = board.statuses()
    left: list[tuple[str, Status, str]] = [
        (name, Status.MANUAL, "a manual job that was not started")
        for name in manual_jobs(board, children)
    ]
    waiting = [name for name, status in statuses.items() if status is Status.CREATED]
    blocking = children.blocking(board.blocking())
    if waiting and not blocking:
        # Only needs that form a circle get here, which no valid configuration has.
        board.apply(Action.SKIP, waiting)
    reason = f"waits for the manual job {blocking[0]}" if blocking else "waits for itself"
    left += [(name, board.status(name), reason) for name in waiting]
    canceled = stopped and Status.CANCELED in statuses.values()
    status = Status.CANCELED if canceled else board.pipeline
    return Ending(
        left=tuple(left),
        status=status,
        blocked=blocking if status in BLOCKED else (),
        failed=tuple(
            name
            for name, status in statuses.items()
            if status is Status.FAILED and not board.may_fail(name)
        ),
    )
