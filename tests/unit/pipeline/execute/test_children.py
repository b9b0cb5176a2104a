"""What a trigger job becomes by the pipeline that it made (GitLab's `trigger:strategy`)."""

import threading
import time
from collections.abc import Callable

import pytest

from homeport.pipeline.execute.api import ChildResult, JobResult, Stop
from homeport.pipeline.execute.scheduler import run_plan
from homeport.pipeline.model.config import AllowFailure, Retry
from homeport.pipeline.model.event import Event, JobFinished, RunFinished, Status
from homeport.pipeline.model.plan import JobPlan, Plan, Runs, TriggerPlan

WAIT = 20.0


def ended(status: Status, **fields: object) -> ChildResult:
    finished = RunFinished(run="1", status=status, at="", **fields)  # type: ignore[arg-type]
    return ChildResult(finished=finished)


def trigger(name: str, strategy: str | None = None, **fields: object) -> JobPlan:
    plan = TriggerPlan(include=({"local": "a.yml"},), strategy=strategy)
    return JobPlan(name=name, stage="test", runs=Runs.DOWNSTREAM, trigger=plan, **fields)  # type: ignore[arg-type]


def shell(name: str, stage: str = "deploy") -> JobPlan:
    return JobPlan(name=name, stage=stage, runs=Runs.SHELL)


class Made:
    """Pipelines that end as they are told to."""

    def __init__(self, result: ChildResult, work: Callable[[Stop], None] | None = None) -> None:
        self.result = result
        self.work = work

    def run(self, job: JobPlan, stop: Stop, created: Callable[[], None]) -> ChildResult:
        del job
        if self.result.finished is not None:
            created()
        if self.work is not None:
            self.work(stop)
        return self.result


def run(
    jobs: tuple[JobPlan, ...],
    made: Made,
    work: Callable[[JobPlan, int, Stop], JobResult] | None = None,
    stop: Stop | None = None,
) -> tuple[RunFinished, dict[str, JobFinished]]:
    events: list[Event] = []
    finished = run_plan(
        Plan(
            stages=("test", "deploy"), jobs=jobs, root="/", sha="", ref="main", project_path="g/p"
        ),
        work or (lambda _job, _attempt, _stop: JobResult(status=Status.SUCCESS)),
        events.append,
        run_id="1",
        concurrency=1,
        stop=stop or Stop(),
        clock=time.monotonic,
        now=lambda: "",
        downstream=made,
    )
    assert events[-1] is finished
    return finished, {event.job: event for event in events if isinstance(event, JobFinished)}


@pytest.mark.parametrize(
    ("strategy", "child", "job", "pipeline", "after"),
    [
        ("depend", Status.SUCCESS, Status.SUCCESS, Status.SUCCESS, Status.SUCCESS),
        ("depend", Status.FAILED, Status.FAILED, Status.FAILED, Status.SKIPPED),
        ("depend", Status.CANCELED, Status.CANCELED, Status.CANCELED, Status.SKIPPED),
        ("depend", Status.SKIPPED, Status.FAILED, Status.FAILED, Status.SKIPPED),
        ("depend", Status.MANUAL, Status.RUNNING, Status.RUNNING, Status.CREATED),
        ("depend", Status.RUNNING, Status.RUNNING, Status.RUNNING, Status.CREATED),
        ("mirror", Status.SUCCESS, Status.SUCCESS, Status.SUCCESS, Status.SUCCESS),
        ("mirror", Status.FAILED, Status.FAILED, Status.FAILED, Status.SKIPPED),
        ("mirror", Status.CANCELED, Status.CANCELED, Status.CANCELED, Status.SKIPPED),
        ("mirror", Status.SKIPPED, Status.SKIPPED, Status.SUCCESS, Status.SUCCESS),
        ("mirror", Status.MANUAL, Status.MANUAL, Status.MANUAL, Status.CREATED),
        (None, Status.SUCCESS, Status.SUCCESS, Status.SUCCESS, Status.SUCCESS),
        (None, Status.FAILED, Status.SUCCESS, Status.SUCCESS, Status.SUCCESS),
        (None, Status.CANCELED, Status.SUCCESS, Status.SUCCESS, Status.SUCCESS),
        (None, Status.MANUAL, Status.SUCCESS, Status.SUCCESS, Status.SUCCESS),
    ],
)
def test_the_trigger_job_and_what_follows(
    strategy: str | None, child: Status, job: Status, pipeline: Status, after: Status
) -> None:
    blocked = ("a:approve",) if child in (Status.MANUAL, Status.RUNNING) else ()
    finished, jobs = run(
        (trigger("a", strategy), shell("after")), Made(ended(child, blocked=blocked))
    )
    assert (jobs["a"].status, finished.status, jobs["after"].status) == (job, pipeline, after)
    assert finished.blocked == (blocked if strategy else ())
    assert finished.failed_children == (
        ("a",) if strategy is None and child is Status.FAILED else ()
    )


def test_a_trigger_job_that_may_fail_lets_the_rest_go_on() -> None:
    job = trigger("a", "depend", allow_failure=AllowFailure(allowed=True))
    finished, jobs = run((job, shell("after")), Made(ended(Status.FAILED)))
    assert (finished.status, finished.warnings) == (Status.SUCCESS, True)
    assert jobs["a"].allowed
    assert jobs["after"].status is Status.SUCCESS


@pytest.mark.parametrize("strategy", [None, "depend", "mirror"])
def test_a_pipeline_that_is_not_made_fails_its_job_once(strategy: str | None) -> None:
    job = trigger("a", strategy, retry=Retry(max=2))
    finished, jobs = run((job,), Made(ChildResult(message="cannot")))
    assert (finished.status, jobs["a"].status, jobs["a"].reason) == ("failed", "failed", "cannot")


def test_without_strategy_the_rest_does_not_wait_but_the_run_does() -> None:
    after_ran = threading.Event()

    def work(job: JobPlan, _attempt: int, _stop: Stop) -> JobResult:
        del job
        after_ran.set()
        return JobResult(status=Status.SUCCESS)

    over: list[bool] = []

    def child(_stop: Stop) -> None:
        over.append(after_ran.wait(WAIT))

    run((trigger("a"), shell("after")), Made(ended(Status.SUCCESS), child), work)
    assert over == [True]


def test_a_stop_reaches_a_pipeline_whether_it_is_waited_for_or_not() -> None:
    stop = Stop()
    reasons: list[str | None] = []

    def child(own: Stop) -> None:
        stop.request("interrupted")
        came = threading.Event()
        own.subscribe(came.set)
        assert came.wait(WAIT)
        reasons.append(own.reason)

    made = Made(ended(Status.CANCELED), child)
    finished, jobs = run((trigger("a"), trigger("b", "depend")), made, stop=stop)
    assert reasons == ["interrupted", "interrupted"]
    assert (finished.status, jobs["b"].status) == (Status.CANCELED, Status.CANCELED)


def test_trigger_jobs_take_no_place_from_others() -> None:
    shell_ran = threading.Event()

    def work(job: JobPlan, _attempt: int, _stop: Stop) -> JobResult:
        del job
        shell_ran.set()
        return JobResult(status=Status.SUCCESS)

    def child(_stop: Stop) -> None:
        assert shell_ran.wait(WAIT)

    jobs = (trigger("a", "depend"), trigger("b", "depend"), shell("c", "test"))
    finished, _ = run(jobs, Made(ended(Status.SUCCESS), child), work)
    assert finished.status is Status.SUCCESS


def test_failures_of_grandchildren_are_heard_of() -> None:
    nested = ended(Status.SUCCESS, failed_children=("a:b",))
    assert run((trigger("a", "depend"),), Made(nested))[0].failed_children == ("a:b",)


def test_a_defect_of_ours_fails_the_job_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())

    def child(_stop: Stop) -> None:
        raise ZeroDivisionError("x")

    _, jobs = run((trigger("a", "depend"),), Made(ended(Status.SUCCESS), child))
    assert jobs["a"].reason == "homeport itself failed: ZeroDivisionError: x"
    assert set(threading.enumerate()) <= before
