"""Actions on a board of jobs, and what follows from them."""

import pytest

from homeport.pipeline.model.config import When
from homeport.pipeline.model.event import Status
from homeport.pipeline.status.board import Board
from homeport.pipeline.status.job import StatusJob
from homeport.pipeline.status.transition import Action

STAGES = (".pre", "build", "test", "deploy", ".post")


def job(name: str, stage: str = "test", **fields: object) -> StatusJob:
    return StatusJob(name=name, stage=stage, **fields)  # type: ignore[arg-type]


def play_through(board: Board, script: str) -> None:
    """`success:a,b drop:c retry` and so on."""
    for step in script.split():
        action, _, names = step.partition(":")
        board.apply(Action(action), names.split(",") if names else None)


BUILD = job("build", "build")
MANUAL = job("gate", "test", when=When.MANUAL, allow_failure=False)
OPTIONAL = job("gate", "test", when=When.MANUAL, allow_failure=True)
DELAYED = job("later", "test", when=When.DELAYED)
DEPLOY = job("deploy", "deploy")

ROWS = [
    ("blocking manual job", [BUILD, MANUAL, DEPLOY], "success:build",
     "manual", "success manual created"),
    ("failure beside a blocking manual job", [job("a"), MANUAL, DEPLOY], "drop:a",
     "manual", "failed manual created"),
    ("manual job played", [BUILD, MANUAL, DEPLOY], "success:build play:gate success:gate",
     "running", "success success pending"),
    ("optional manual job", [BUILD, OPTIONAL, DEPLOY], "success:build success:deploy",
     "success", "success manual success"),
    ("skipped by failure", [BUILD, OPTIONAL, DEPLOY], "drop:build",
     "failed", "failed skipped skipped"),
    ("delayed waits", [BUILD, DELAYED, DEPLOY], "success:build",
     "scheduled", "success scheduled created"),
    ("delayed is due", [BUILD, DELAYED, DEPLOY], "success:build enqueue:later",
     "running", "success pending created"),
    ("delayed is made manual", [BUILD, DELAYED], "success:build unschedule:later",
     "manual", "success manual"),
    ("delayed retried runs at once", [DELAYED], "enqueue:later drop:later retry:later",
     "running", "pending"),
    ("pipeline retried", [BUILD, job("t"), DEPLOY], "success:build drop:t retry",
     "running", "success pending created"),
    ("retried job takes its stage along", [job("a"), job("b", when=When.ON_FAILURE), DEPLOY],
     "drop:a retry:a", "running", "pending skipped created"),
    ("pending job is not retried", [BUILD], "retry:build",
     "pending", "pending"),
    ("finished job does not fail", [BUILD], "success:build drop:build",
     "success", "success"),
    ("canceled pipeline", [job("a"), job("b", needs=("a",)), DEPLOY], "run:a cancel",
     "canceled", "canceled canceled canceled"),
    ("canceled pipeline keeps manual jobs", [job("a"), MANUAL], "cancel",
     "manual", "canceled manual"),
    ("canceled job lets nothing follow", [BUILD, job("t", when=When.ALWAYS)], "cancel:build",
     "canceled", "canceled skipped"),
    ("always after failure", [BUILD, job("t", when=When.ALWAYS)], "drop:build",
     "running", "failed pending"),
    ("always does not wait once a need is skipped",
     [BUILD, job("a"), job("b", needs=("build",), when=When.ON_FAILURE),
      job("c", "deploy", needs=("a", "b"), when=When.ALWAYS)], "success:build",
     "running", "success pending skipped pending"),
    ("never is skipped", [job("t", when=When.NEVER)], "",
     "skipped", "skipped"),
    ("absent needs are dropped", [BUILD, job("t", needs=("nobody",))], "",
     "pending", "pending pending"),
    ("needs written twice", [BUILD, job("t", needs=("build", "build"))], "success:build",
     "running", "success pending"),
    ("played again after success", [OPTIONAL], "play:gate success:gate play:gate",
     "running", "pending"),
    ("skip", [BUILD, job("t")], "skip:build", "pending", "skipped pending"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("jobs", "script", "pipeline", "statuses"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS]
)
def test_table(jobs: list[StatusJob], script: str, pipeline: str, statuses: str) -> None:
    board = Board(STAGES, jobs)
    play_through(board, script)
    assert (board.pipeline, " ".join(board.statuses().values())) == (pipeline, statuses)


def test_changes_are_named_with_their_consequences() -> None:
    board = Board(STAGES, [BUILD, job("t", needs=("build",)), DEPLOY])
    assert set(board.apply(Action.DROP, ["build"])) == {"build", "t", "deploy"}
    assert board.apply(Action.DROP, ["build"]) == ()


def test_an_allowed_exit_code_makes_a_failure_a_warning() -> None:
    board = Board(STAGES, [BUILD, DEPLOY])
    board.apply(Action.DROP, ["build"], allowed=True)
    assert (board.status("deploy"), board.warnings, board.may_fail("build")) == (
        Status.PENDING,
        True,
        True,
    )
    board.apply(Action.RETRY, ["build"])
    assert not board.may_fail("build")


def test_only_blocking_manual_jobs_block() -> None:
    board = Board(STAGES, [MANUAL, job("other", when=When.MANUAL, allow_failure=True)])
    assert board.blocking() == ("gate",)


def test_a_resource_group_runs_one_job_at_a_time() -> None:
    board = Board(STAGES, [job(name, resource_group="production") for name in "abc"])
    assert list(board.statuses().values()) == [
        Status.PENDING,
        Status.WAITING_FOR_RESOURCE,
        Status.WAITING_FOR_RESOURCE,
    ]
    board.apply(Action.CANCEL, ["b"])
    board.apply(Action.SUCCESS, ["a"])
    assert board.status("c") is Status.PENDING


@pytest.mark.parametrize("allow_failure", [False, True])
def test_cancel_on_failure_spares_allowed_ones(allow_failure: bool) -> None:
    board = Board(
        STAGES,
        [job("a", allow_failure=allow_failure), job("b"), job("c", "deploy")],
        cancel_on_failure=True,
    )
    board.apply(Action.DROP, ["a"])
    expected = [Status.PENDING, Status.CREATED] if allow_failure else [Status.CANCELED] * 2
    assert list(board.statuses().values())[1:] == expected


def test_stages_without_jobs_are_left_out_and_order_is_kept() -> None:
    board = Board(STAGES, [DEPLOY, BUILD])
    assert list(board.stages()) == ["build", "deploy"]


@pytest.mark.parametrize(
    "jobs", [[BUILD, BUILD], [job("a", "nowhere")]], ids=["same name", "unknown stage"]
)
def test_refuses_what_is_no_pipeline(jobs: list[StatusJob]) -> None:
    with pytest.raises(ValueError, match="job"):
        Board(STAGES, jobs)


def test_an_action_for_jobs_is_refused_for_a_pipeline() -> None:
    with pytest.raises(ValueError, match="success"):
        Board(STAGES, [BUILD]).apply(Action.SUCCESS)
