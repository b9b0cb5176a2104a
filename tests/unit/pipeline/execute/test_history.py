"""Histories of runs, also of those that were cut off, and of what is none."""

from pathlib import Path

import pytest

from homeport.errors import UsageError
from homeport.pipeline.execute.api import JobResult
from homeport.pipeline.execute.history import PlannedJob, Recorder, find_past, read_past
from homeport.pipeline.execute.state import Run, State
from homeport.pipeline.model.event import (
    JobFinished,
    JobOutput,
    JobStarted,
    RunFinished,
    RunStarted,
    Status,
)
from homeport.pipeline.model.plan import JobPlan, Plan, Runs

PLAN = Plan(
    stages=("test",),
    jobs=(JobPlan(name="a", stage="test", runs=Runs.SHELL, needs=()),),
    root="/r",
    sha="abc",
    ref="main",
    project_path="g/p",
)
STARTED = RunStarted(run="x", at="", jobs=("a",), ref="main", sha="abc")
JOB = JobStarted(time=1.0, job="a", stage="test", runs="shell")
ENDED = JobFinished(time=2.0, job="a", stage="test", status=Status.SUCCESS)
END = RunFinished(time=2.0, run="x", status=Status.SUCCESS, at="")


@pytest.fixture
def state(tmp_path: Path) -> State:
    env = {"XDG_STATE_HOME": str(tmp_path / "s"), "XDG_CACHE_HOME": str(tmp_path / "c")}
    return State.open(tmp_path, env, kept_runs=10, kept_bytes=1 << 30)


def recorded(run: Run, *events: object) -> None:
    with Recorder(run.history_path, PLAN) as recorder:
        for event in events:
            recorder(event)  # type: ignore[arg-type]


def test_what_happened_is_read_again_without_the_output(state: State) -> None:
    run = state.new_run(ref="main")
    run.record("a", JobResult(status=Status.FAILED))
    run.record("a", JobResult(status=Status.SUCCESS))
    recorded(run, STARTED, JOB, JobOutput(job="a", lines=("secret",)), ENDED, END)
    run.finish(Status.SUCCESS)
    past = find_past(state.folder)
    assert past.events == (STARTED, JOB, ENDED, END) == past.whole()
    assert past.planned.jobs == (PlannedJob(name="a", stage="test", needs=()),)
    assert [result.status for result in past.results["a"]] == [Status.FAILED, Status.SUCCESS]
    assert not past.live
    assert b"secret" not in run.history_path.read_bytes()


def test_a_run_that_was_cut_off_gets_an_end(state: State) -> None:
    run = state.new_run()
    recorded(run, STARTED, JOB)
    with run.history_path.open("ab") as file:
        file.write(b'{"event":"job_fin')
    live = find_past(state.folder)
    assert live.live
    assert [event.status for event in live.whole()[2:]] == [Status.RUNNING] * 2  # type: ignore[attr-defined]
    run.close()
    killed = find_past(state.folder)
    assert not killed.live
    assert killed.finished is None
    assert [event.status for event in killed.whole()[2:]] == [Status.CANCELED] * 2  # type: ignore[attr-defined]


def test_a_history_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    with Recorder(tmp_path / "absent" / "history", PLAN) as recorder:
        recorder(STARTED)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_run_is_none_of_them(state: State) -> None:
    run = state.new_run()
    run.finish(Status.SUCCESS)
    (state.folder / "runs" / "zzz").mkdir()
    assert read_past(state.folder / "runs" / "zzz") is None
    assert find_past(state.folder).id == run.id
    for name in ("../..", "zzz", ""):
        with pytest.raises(UsageError):
            find_past(state.folder, name)
