"""What runs, in which order, and what is told of it. Jobs here are plain functions."""

import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue

import pytest

from homeport.pipeline.execute import scheduler
from homeport.pipeline.execute.api import JobResult, Stop
from homeport.pipeline.execute.scheduler import run_plan
from homeport.pipeline.model.config import AllowFailure, Retry, When
from homeport.pipeline.model.event import (
    Event,
    FailureReason,
    JobFinished,
    JobNote,
    JobRetried,
    JobStarted,
    RunFinished,
    RunStarted,
    Status,
)
from homeport.pipeline.model.plan import JobPlan, Plan, Runs

STAGES = ("build", "test", "deploy")
WAIT = 20.0

Work = Callable[[JobPlan, int, Stop], JobResult]


def job(name: str, stage: str = "test", **fields: object) -> JobPlan:
    return JobPlan(name=name, stage=stage, **{"runs": Runs.SHELL, **fields})  # type: ignore[arg-type]


def plan_of(*jobs: JobPlan, **fields: object) -> Plan:
    return Plan(
        stages=STAGES,
        jobs=jobs,
        root="/",
        sha="0" * 40,
        ref="main",
        project_path="group/project",
        **fields,  # type: ignore[arg-type]
    )


def good() -> JobResult:
    return JobResult(status=Status.SUCCESS, exit_code=0)


def bad(code: int = 1) -> JobResult:
    return JobResult(status=Status.FAILED, exit_code=code, failure=FailureReason.SCRIPT_FAILURE)


def failing(*names: str) -> Work:
    return lambda job, _attempt, _stop: bad() if job.name in names else good()


class Told:
    """Runs a plan and keeps what was told."""

    def __init__(self, plan: Plan, work: Work | None = None, **options: object) -> None:
        self.events: list[Event] = []
        defaults: dict[str, object] = {
            "run_id": "1",
            "concurrency": 4,
            "stop": Stop(),
            "clock": time.monotonic,
            "now": lambda: "2024-01-01T00:00:00Z",
        }
        self.finished: RunFinished = run_plan(
            plan,
            work or failing(),
            self.events.append,
            **{**defaults, **options},  # type: ignore[arg-type]
        )
        names = [event.job for event in self.events if isinstance(event, JobFinished)]
        assert sorted(names) == sorted(job.name for job in plan.jobs)
        assert isinstance(self.events[0], RunStarted)
        assert self.events[-1] is self.finished

    def jobs(self) -> dict[str, JobFinished]:
        return {event.job: event for event in self.events if isinstance(event, JobFinished)}

    def statuses(self) -> dict[str, str]:
        return {name: str(event.status) for name, event in self.jobs().items()}

    def reasons(self) -> dict[str, str | None]:
        return {name: event.reason for name, event in self.jobs().items()}

    def started(self) -> list[str]:
        return [event.job for event in self.events if isinstance(event, JobStarted)]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_stages_come_one_after_the_other_in_plan_order() -> None:
    told = Told(plan_of(job("b", "build"), job("t1"), job("t2"), job("d", "deploy")), concurrency=1)
    assert told.started() == ["b", "t1", "t2", "d"]
    assert (told.finished.status, told.finished.stages) == (
        Status.SUCCESS,
        {"build": "success", "test": "success", "deploy": "success"},
    )


def test_a_job_starts_when_its_needs_are_done_not_in_waves() -> None:
    deployed = threading.Event()

    def work(job: JobPlan, _attempt: int, _stop: Stop) -> JobResult:
        if job.name == "slow":
            assert deployed.wait(WAIT)
        elif job.name == "deploy":
            deployed.set()
        return good()

    told = Told(
        plan_of(job("quick", "build"), job("slow", "build"), job("deploy", "deploy",
                needs=("quick",))),
        work,
    )  # fmt: skip
    assert told.statuses() == {"deploy": "success", "slow": "success", "quick": "success"}


@pytest.mark.parametrize("concurrency", [1, 2, 5, 40])
def test_no_more_run_at_once_than_allowed(concurrency: int) -> None:
    lock, running, most = threading.Lock(), 0, 0

    def work(_job: JobPlan, _attempt: int, _stop: Stop) -> JobResult:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1
        return good()

    told = Told(plan_of(*(job(f"j{n}") for n in range(30))), work, concurrency=concurrency)
    assert told.finished.status is Status.SUCCESS
    assert most <= concurrency
    if concurrency == 40:
        assert most > 1


OUTCOMES: list[tuple[str, tuple[JobPlan, ...], str, dict[str, str | None]]] = [
    ("stage after a failure", (job("a", "build"), job("b"), job("c", "deploy")), "failed",
     {"a": "exit status 1", "b": "a (stage build) failed", "c": "a (stage build) failed"}),
    ("needs", (job("a", "build"), job("b", needs=("a",)), job("c", "deploy", needs=("b",))),
     "failed", {"a": "exit status 1", "b": "needs a, which failed",
                "c": "needs b, which was skipped"}),
    ("on_failure runs", (job("a", "build"), job("b", when=When.ON_FAILURE)), "failed",
     {"a": "exit status 1", "b": None}),
    ("on_failure without failure", (job("x", "build"), job("b", when=When.ON_FAILURE)), "success",
     {"x": None, "b": "no job of an earlier stage failed"}),
    ("on_failure with good needs",
     (job("x", "build"), job("b", when=When.ON_FAILURE, needs=("x",))), "success",
     {"x": None, "b": "no job that it needs failed"}),
    ("always runs", (job("a", "build"), job("b", when=When.ALWAYS, needs=("a",))), "failed",
     {"a": "exit status 1", "b": None}),
    ("allowed failure", (job("a", "build", allow_failure=AllowFailure(allowed=True)), job("b")),
     "success", {"a": "exit status 1", "b": None}),
    ("allowed exit code",
     (job("a", "build", allow_failure=AllowFailure(allowed=True, exit_codes=(1, 2))), job("b")),
     "success", {"a": "exit status 1", "b": None}),
    ("other exit code",
     (job("a", "build", allow_failure=AllowFailure(allowed=True, exit_codes=(2,))), job("b")),
     "failed", {"a": "exit status 1", "b": "a (stage build) failed"}),
    ("optional manual job", (job("m", "build", when=When.MANUAL,
                                 allow_failure=AllowFailure(allowed=True)), job("b"),
                             job("c", needs=("m",))), "success",
     {"m": "a manual job that was not started", "b": None,
      "c": "needs m, which is a manual job that was not started"}),
    ("blocking manual job", (job("m", "build", when=When.MANUAL), job("b")), "manual",
     {"m": "a manual job that was not started", "b": "waits for the manual job m"}),
    ("not run here", (job("n", "build", runs=Runs.NOWHERE, not_run="a trigger job"), job("b")),
     "failed", {"n": "a trigger job", "b": "n (stage build) failed"}),
    ("never", (job("n", "build", when=When.NEVER), job("b")), "success",
     {"n": "when: never", "b": None}),
    ("circle", (job("x", needs=("y",)), job("y", needs=("x",))), "skipped",
     {"x": "waits for itself", "y": "waits for itself"}),
    ("nothing", (), "success", {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("jobs", "status", "reasons"), [row[1:] for row in OUTCOMES], ids=[row[0] for row in OUTCOMES]
)
@pytest.mark.parametrize("concurrency", [1, 8])
def test_outcomes(
    jobs: tuple[JobPlan, ...], status: str, reasons: dict[str, str | None], concurrency: int
) -> None:
    """The job named `a` fails, others succeed."""
    told = Told(plan_of(*jobs), failing("a"), concurrency=concurrency)
    assert (told.finished.status, told.reasons()) == (status, reasons)


def test_allowed_failures_are_warnings() -> None:
    told = Told(plan_of(job("a", allow_failure=AllowFailure(allowed=True))), failing("a"))
    assert told.jobs()["a"].allowed
    assert told.finished.warnings


def test_blocking_manual_jobs_are_named() -> None:
    told = Told(plan_of(job("m", "build", when=When.MANUAL), job("b")))
    assert told.finished.blocked == ("m",)
    assert told.statuses() == {"m": "manual", "b": "created"}


@pytest.mark.parametrize("allowed", [False, True])
def test_a_manual_job_asked_for_runs_in_its_turn(allowed: bool) -> None:
    told = Told(
        plan_of(job("b", "build"), job("m", when=When.MANUAL,
                allow_failure=AllowFailure(allowed=allowed)), job("d", "deploy", needs=("m",))),
        play=frozenset({"m"}),
    )  # fmt: skip
    assert told.started() == ["b", "m", "d"]
    assert told.finished.status is Status.SUCCESS


def test_a_delayed_job_waits() -> None:
    plan = plan_of(job("l", "build", when=When.DELAYED, start_in=0.05), job("b"))
    began = time.monotonic()
    told = Told(plan)
    assert time.monotonic() - began >= 0.05
    assert told.started() == ["l", "b"]


@pytest.mark.parametrize("options", [{"now_delayed": True}, {"play": frozenset({"l"})}], ids=str)
def test_a_delay_can_be_left_out(options: dict[str, object]) -> None:
    told = Told(plan_of(job("l", when=When.DELAYED, start_in=3600.0)), **options)
    assert told.statuses() == {"l": "success"}


def test_a_resource_group_runs_one_at_a_time() -> None:
    lock = threading.Lock()

    def work(_job: JobPlan, _attempt: int, _stop: Stop) -> JobResult:
        assert lock.acquire(blocking=False)
        time.sleep(0.002)
        lock.release()
        return good()

    jobs = [job(f"j{n}", resource_group="production") for n in range(6)]
    assert Told(plan_of(*jobs), work).finished.status is Status.SUCCESS


def test_a_failed_attempt_is_followed_by_another() -> None:
    told = Told(
        plan_of(job("a", retry=Retry(max=2))),
        lambda _job, attempt, _stop: good() if attempt == 3 else bad(attempt),
    )
    retries = [event for event in told.events if isinstance(event, JobRetried)]
    assert [(event.attempt, event.reason) for event in retries] == [
        (2, "exit status 1"),
        (3, "exit status 2"),
    ]
    assert [event.attempt for event in told.events if isinstance(event, JobStarted)] == [1, 2, 3]
    assert told.finished.status is Status.SUCCESS


def test_attempts_come_to_an_end() -> None:
    told = Told(plan_of(job("a", retry=Retry(max=2))), failing("a"))
    assert told.started() == ["a"] * 3
    assert told.finished.status is Status.FAILED


class Hostile(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(3), Hostile("odd")], ids=repr)
def test_whatever_a_job_raises_fails_that_job_alone(error: BaseException) -> None:
    def work(job: JobPlan, _attempt: int, _stop: Stop) -> JobResult:
        if job.name == "a":
            raise error
        return good()

    told = Told(plan_of(job("a"), job("b")), work)
    assert told.statuses() == {"a": "failed", "b": "success"}
    finished = told.jobs()["a"]
    assert finished.failure_reason is FailureReason.RUNNER_SYSTEM_FAILURE
    assert type(error).__name__ in str(finished.reason)


def test_a_result_that_is_none_fails_the_job() -> None:
    told = Told(plan_of(job("a")), lambda *_: JobResult(status=Status.RUNNING))
    assert told.statuses() == {"a": "failed"}


def until_stopped(stop: Stop) -> JobResult:
    asked = threading.Event()
    unsubscribe = stop.subscribe(asked.set)
    assert asked.wait(WAIT)
    unsubscribe()
    return JobResult(status=Status.CANCELED)


def test_a_stop_ends_running_jobs_and_cancels_the_rest() -> None:
    stop = Stop()

    def work(job: JobPlan, _attempt: int, job_stop: Stop) -> JobResult:
        if job.name == "quick":
            return good()
        threading.Timer(0.0, stop.request, ["interrupted"]).start()
        return until_stopped(job_stop)

    told = Told(
        plan_of(job("quick", "build"), job("a"), job("queued"),
                job("later", "build", when=When.DELAYED, start_in=0.0, needs=()),
                job("far", "deploy", when=When.DELAYED, start_in=3600.0, needs=("quick",)),
                job("d", "deploy")),
        work, stop=stop, concurrency=1,
    )  # fmt: skip
    assert told.finished.status is Status.CANCELED
    statuses = told.statuses()
    assert statuses.pop("quick") == "success"
    assert set(statuses.values()) == {"canceled"}
    assert set(told.reasons().values()) == {None, "interrupted"}


def test_a_stop_before_the_start_starts_nothing() -> None:
    stop = Stop()
    stop.request("interrupted")
    told = Told(plan_of(job("a")), stop=stop)
    assert (told.started(), told.finished.status) == ([], Status.CANCELED)


def test_a_stop_after_the_end_changes_nothing() -> None:
    stop = Stop()
    Told(plan_of(job("a")), stop=stop)
    stop.request("interrupted")
    assert stop.reason == "interrupted"


@pytest.mark.parametrize(
    ("plan_options", "options"),
    [({"auto_cancel": {"on_job_failure": "all"}}, {}), ({}, {"fail_fast": True})],
    ids=["auto_cancel", "fail_fast"],
)
def test_a_failure_can_cancel_the_rest(
    plan_options: dict[str, object], options: dict[str, object]
) -> None:
    def work(job: JobPlan, _attempt: int, stop: Stop) -> JobResult:
        return bad() if job.name == "a" else until_stopped(stop)

    told = Told(
        plan_of(job("b"), job("a"), job("far", when=When.DELAYED, start_in=3600.0),
                job("d", "deploy"), **plan_options),
        work, **options,
    )  # fmt: skip
    assert told.statuses() == {"a": "failed", "b": "canceled", "far": "canceled", "d": "canceled"}
    assert told.reasons()["d"] == "a failed"
    assert told.finished.status is Status.FAILED


def test_an_allowed_failure_cancels_nothing() -> None:
    told = Told(
        plan_of(job("a", "build", allow_failure=AllowFailure(allowed=True)), job("b")),
        failing("a"),
        fail_fast=True,
    )
    assert told.statuses() == {"a": "failed", "b": "success"}


def test_a_broken_sink_ends_the_run_and_its_threads() -> None:
    def emit(event: Event) -> None:
        if isinstance(event, JobFinished):
            raise OSError("disk full")

    def work(job: JobPlan, _attempt: int, stop: Stop) -> JobResult:
        return good() if job.name == "a" else until_stopped(stop)

    with pytest.raises(OSError, match="disk full"):
        run_plan(
            plan_of(job("b"), job("a")),
            work,
            emit,
            run_id="1",
            concurrency=2,
            stop=Stop(),
            clock=time.monotonic,
            now=lambda: "",
        )


class InterruptedInbox(SimpleQueue[object]):
    """Ctrl-C comes while the scheduler sleeps for the first time."""

    interrupted = False

    def get(self, block: bool = True, timeout: float | None = None) -> object:
        if not self.interrupted:
            self.interrupted = True
            raise KeyboardInterrupt
        return super().get(block, timeout)


def test_ctrl_c_is_a_request_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "Inbox", InterruptedInbox)
    stop = Stop()
    told = Told(
        plan_of(job("a"), job("b", "deploy")), lambda *given: until_stopped(given[2]), stop=stop
    )
    assert stop.reason == "interrupted"
    assert told.statuses() == {"a": "canceled", "b": "canceled"}


def test_times_are_since_the_start_and_never_go_back() -> None:
    told = Told(plan_of(*(job(f"j{n}") for n in range(20))))
    times = [event.time for event in told.events]
    assert times[0] == 0.0
    assert times == sorted(times)


def test_many_jobs_on_many_threads_end_alike() -> None:
    jobs = [
        job(f"j{n}", needs=tuple(f"j{m}" for m in {n // 2, n // 3} if m < n)) for n in range(400)
    ]
    ends = [
        Told(plan_of(*jobs), failing("j7", "j90"), concurrency=concurrency).statuses()
        for concurrency in (1, 3, 32)
    ]
    assert ends[0] == ends[1] == ends[2]
    assert ends[0]["j15"] == "skipped"


def test_manual_jobs_are_asked_for_when_nothing_else_is_left_to_do() -> None:
    gate = job("gate", when=When.MANUAL)
    optional = job("optional", when=When.MANUAL, allow_failure=AllowFailure(allowed=True))
    plan = plan_of(job("build", "build"), gate, optional, job("deploy", "deploy"))
    asked: list[tuple[str, ...]] = []

    def ask(names: tuple[str, ...]) -> tuple[str, ...]:
        asked.append(names)
        return ("gate",)

    told = Told(plan, ask=ask)
    assert asked == [("gate", "optional")]
    assert told.started() == ["build", "gate", "deploy"]
    assert told.finished.status is Status.SUCCESS
    assert told.statuses()["optional"] == "manual"


def test_who_starts_no_manual_job_is_not_asked_again() -> None:
    asked: list[tuple[str, ...]] = []

    def ask(names: tuple[str, ...]) -> tuple[str, ...]:
        asked.append(names)
        return ()

    told = Told(plan_of(job("gate", when=When.MANUAL), job("deploy", "deploy")), ask=ask)
    assert asked == [("gate",)]
    assert (told.finished.status, told.finished.blocked) == (Status.MANUAL, ("gate",))


def test_a_pipeline_that_is_not_blocked_asks_for_nothing() -> None:
    optional = job("optional", when=When.MANUAL, allow_failure=AllowFailure(allowed=True))

    def ask(names: tuple[str, ...]) -> tuple[str, ...]:
        raise AssertionError(names)

    assert Told(plan_of(optional, job("build", "build")), ask=ask).finished.status == "success"


def test_a_stop_while_somebody_is_asked_ends_the_run() -> None:
    stop = Stop()

    def ask(_names: tuple[str, ...]) -> tuple[str, ...]:
        stop.request("interrupted")
        return ()

    plan = plan_of(job("gate", when=When.MANUAL), job("deploy", "deploy"))
    told = Told(plan, ask=ask, stop=stop)
    assert told.finished.status is Status.CANCELED
    assert told.statuses() == {"gate": "manual", "deploy": "canceled"}


def test_a_delay_is_said_with_the_way_to_skip_it() -> None:
    told = Told(plan_of(job("later", when=When.DELAYED, start_in=0.05)))
    notes = [event for event in told.events if isinstance(event, JobNote)]
    assert [(note.job, note.message) for note in notes] == [
        ("later", "it is delayed and starts in 50ms; --now starts it at once")
    ]
