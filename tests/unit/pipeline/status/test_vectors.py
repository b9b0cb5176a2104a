"""GitLab's own cases of a pipeline's life (tests/vectors/status.jsonl)."""

import json
from pathlib import Path
from typing import Any

import pytest

from homeport.pipeline.model.config import When
from homeport.pipeline.status.board import Board
from homeport.pipeline.status.job import StatusJob
from homeport.pipeline.status.transition import Action

VECTORS = Path(__file__).parents[3] / "vectors" / "status.jsonl"
CASES = [json.loads(line) for line in VECTORS.read_text().splitlines()]
GLOBAL_KEYWORDS = {"stages", "workflow", "default", "variables", "include", "image", "services"}


def read_job(name: str, job: dict[str, Any]) -> StatusJob | None:
    """One job written in GitLab's keywords; None when a rule keeps it out (none can match here)."""
    if "rules" in job:
        return None
    when = When(job.get("when", "on_success"))
    needs = job.get("needs")
    return StatusJob(
        name=name,
        stage=job.get("stage", "test"),
        when=when,
        allow_failure=job.get("allow_failure", when is When.MANUAL),
        needs=None
        if needs is None
        else tuple(need if isinstance(need, str) else need["job"] for need in needs),
    )


def read_board(config: dict[str, Any]) -> Board:
    jobs = (
        read_job(name, job)
        for name, job in config.items()
        if name not in GLOBAL_KEYWORDS and not name.startswith(".")
    )
    auto_cancel = config.get("workflow", {}).get("auto_cancel", {})
    return Board(
        (".pre", *config.get("stages", ("build", "test", "deploy")), ".post"),
        [job for job in jobs if job is not None],
        cancel_on_failure=auto_cancel.get("on_job_failure") == "all",
    )


def show(board: Board) -> dict[str, Any]:
    return {"pipeline": board.pipeline, "stages": board.stages(), "jobs": board.statuses()}


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_follows_gitlab(case: dict[str, Any]) -> None:
    board = read_board(case["input"]["config"])
    seen = [show(board)]
    for transition in case["input"]["transitions"]:
        board.apply(Action(transition["event"]), transition.get("jobs"))
        seen.append(show(board))
    assert seen == [case["expected"]["init"], *case["expected"]["after"]]
