"""What a pipeline has left when nothing in it goes on any more: manual jobs, and what waits for
them."""

from collections.abc import Callable, Iterator

from homeport.pipeline.execute.children import Children
from homeport.pipeline.model.event import Status
from homeport.pipeline.status.board import Board
from homeport.pipeline.status.transition import Action

Ask = Callable[[tuple[str, ...]], tuple[str, ...]]
"""Asks somebody which of these manual jobs to start; none of them ends the run."""


def manual_jobs(board: Board, children: Children) -> tuple[str, ...]:
    """The manual jobs that nobody has started. A trigger job that waits for one of its pipeline's
    is none of them."""
    return tuple(
        name
        for name, status in board.statuses().items()
        if status is Status.MANUAL and name not in children.blocked
    )


def left_over(
    board: Board, children: Children, blocking: tuple[str, ...]
) -> Iterator[tuple[str, Status, str]]:
    """Each job that the end of the run finds undone, its status, and why it is."""
    waiting = [name for name, status in board.statuses().items() if status is Status.CREATED]
    manual = manual_jobs(board, children)
    if waiting and not blocking:
        # Only needs that form a circle get here, which no valid configuration has.
        board.apply(Action.SKIP, waiting)
    for name in manual:
        yield name, Status.MANUAL, "a manual job that was not started"
    for name in waiting:
        reason = f"waits for the manual job {blocking[0]}" if blocking else "waits for itself"
        yield name, board.status(name), reason
