"""Run a plan's jobs as a true DAG: each starts when what it waits for is done and a place is free.

Which job may start is asked of `status/`; what a job does is `run_job`'s affair, on a thread of
its own. Everything else happens on the calling thread, which sleeps until a job ends, a delay is
over or a stop is requested.
"""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from queue import Empty

from homeport.pipeline.execute.api import JobResult, Stop
from homeport.pipeline.execute.retry import should_retry
from homeport.pipeline.execute.workers import Inbox, RunJob, Workers
from homeport.pipeline.model.config import When
from homeport.pipeline.model.event import (
    Event,
    JobFinished,
    JobRetried,
    JobStarted,
    RunFinished,
    RunStarted,
    Status,
)
from homeport.pipeline.model.plan import JobPlan, Plan, Runs
from homeport.pipeline.status.board import Board
from homeport.pipeline.status.job import StatusJob
from homeport.pipeline.status.reason import Reasons
from homeport.pipeline.status.transition import Action
from homeport.pipeline.variables.expand import ExpansionError, expand, expand_all, has_reference

# A signal that comes just before the calling thread falls asleep is seen after this many seconds.
_LONGEST_SLEEP = 0.5


def run_plan(
    plan: Plan,
    run_job: RunJob,
    emit: Callable[[Event], None],
    *,
    run_id: str,
    concurrency: int,
    stop: Stop,
    clock: Callable[[], float],
    now: Callable[[], str],
    play: frozenset[str] = frozenset(),
    now_delayed: bool = False,
    fail_fast: bool = False,
) -> RunFinished:
    """Run all jobs of `plan`, at most `concurrency` at once; returns the last event emitted.

    `run_job(job, attempt, stop)` runs one attempt (counted from 1) and may raise; it must end soon
    once its `stop` is requested. `play` names manual and delayed jobs to be started when their turn
    comes: for what follows they then count as ordinary jobs. `now_delayed` starts all delayed jobs
    without their delay. `fail_fast` cancels the rest when a job fails that may not, as
    `workflow:auto_cancel:on_job_failure: all` does. `clock` is monotonic, in seconds; `now` is
    wall-clock time in ISO 8601.

    Every job of the plan has exactly one `JobFinished`. Status manual there is a job nobody
    played, and created one that waits for such a job. Events are emitted on the calling thread,
    which is the only one that may get `KeyboardInterrupt`: the first is a request to stop, the
    second makes it urgent, the third is raised.
    """
    run = _Run(
        plan=plan,
        run_job=run_job,
        emit=emit,
        run_id=run_id,
        concurrency=concurrency,
        stop=stop,
        clock=clock,
        now=now,
        cancel_on_failure=fail_fast or plan.auto_cancel.get("on_job_failure") == "all",
        jobs=[_status_job(job, play, now_delayed) for job in plan.jobs],
    )
    return run.execute()


class _Run:
    def __init__(
        self,
        *,
        plan: Plan,
        run_job: RunJob,
        emit: Callable[[Event], None],
        run_id: str,
        concurrency: int,
        stop: Stop,
        clock: Callable[[], float],
        now: Callable[[], str],
        cancel_on_failure: bool,
        jobs: list[StatusJob],
    ) -> None:
        self._plan = plan
        self._emit = emit
        self._run_id = run_id
        self._concurrency = max(1, concurrency)
        self._stop = stop
        self._clock = clock
        self._now = now
        self._began = clock()
        self._number = {job.name: number for number, job in enumerate(plan.jobs)}
        self._cancel_on_failure = cancel_on_failure
        self._board = Board(plan.stages, jobs, cancel_on_failure=cancel_on_failure)
        self._reasons = Reasons(plan.stages, jobs)
        self._inbox: Inbox = Inbox()
        # The jobs' own request to stop is made here, on this thread and never in the middle of
        # something else, while `stop` may be requested in a signal handler.
        self._jobs_stop = Stop()
        self._workers = Workers(run_job, self._jobs_stop, self._inbox)
        self._ready: list[int] = []
        self._delayed: list[tuple[float, int]] = []
        self._attempts: dict[int, tuple[int, float]] = {}
        self._stopped = False

    def execute(self) -> RunFinished:
        plan = self._plan
        names = tuple(self._number)
        self._emit(RunStarted(
            time=0.0, run=self._run_id, at=self._now(), jobs=names, ref=plan.ref, sha=plan.sha,
        ))  # fmt: skip
        unsubscribe = self._stop.subscribe(self._notice)
        try:
            self._follow(names)
            while self._advance():
                self._wait()
        finally:
            unsubscribe()
            # Only an error or an interrupt gets here before the last job has reported.
            self._jobs_stop.kill("the run has ended")
            self._workers.close()
        return self._finish()

    def _notice(self) -> None:
        """Somebody wants us to stop; this may be called in a signal handler."""
        self._inbox.put(None)
        if self._stop.killed:
            # Not later: the calling thread may hang in a write that nobody reads.
            self._jobs_stop.kill(self._stop.reason or "killed")

    def _advance(self) -> bool:
        """Start what can be started; whether there is anything left to wait for."""
        if self._stop.reason is not None and not self._stopped:
            self._stopped = True
            self._jobs_stop.request(self._stop.reason)
            self._follow(self._board.apply(Action.CANCEL))
        while self._delayed and self._delayed[0][0] <= self._clock():
            _, number = heappop(self._delayed)
            self._follow(self._board.apply(Action.ENQUEUE, [self._plan.jobs[number].name]))
        while self._ready and len(self._attempts) < self._concurrency:
            self._start(heappop(self._ready))
        if self._jobs_stop.reason is not None:
            self._delayed.clear()
        return bool(self._attempts or self._delayed)

    def _wait(self) -> None:
        """Sleep until a job reports, a delay is over or somebody wants us to stop."""
        timeout = _LONGEST_SLEEP
        if self._delayed:
            timeout = min(timeout, max(0.0, self._delayed[0][0] - self._clock()))
        try:
            message = self._inbox.get(timeout=timeout)
        except Empty:
            return
        except KeyboardInterrupt:
            if self._stop.killed:
                raise
            if self._stop.reason is not None:
                self._stop.kill("interrupted")
            self._stop.request("interrupted")
            return
        if message is not None:
            self._end(*message)

    def _start(self, number: int) -> None:
        job = self._plan.jobs[number]
        if self._board.status(job.name) is not Status.PENDING:
            return
        if job.runs is Runs.NOWHERE:
            self._fail(job, JobResult(status=Status.FAILED, message=job.not_run or "not run here"))
            return
        self._board.apply(Action.RUN, [job.name])
        self._attempt(number, 1)

    def _attempt(self, number: int, attempt: int) -> None:
        job = self._plan.jobs[number]
        self._emit(JobStarted(
            time=self._time(), job=job.name, stage=job.stage, runs=job.runs,
            image=_shown_image(job),
            attempt=attempt,
        ))  # fmt: skip
        running = len(self._attempts)
        self._attempts[number] = (attempt, self._clock())
        self._workers.start(number, job, attempt, running=running)

    def _end(self, number: int, result: JobResult) -> None:
        job = self._plan.jobs[number]
        attempt, began = self._attempts.pop(number)
        duration = result.duration or self._clock() - began
        if self._board.status(job.name) is Status.CANCELED:
            self._finish_job(job, Status.CANCELED, self._jobs_stop.reason, result, duration)
        elif result.status is Status.SUCCESS:
            changed = self._board.apply(Action.SUCCESS, [job.name])
            self._finish_job(job, Status.SUCCESS, result.message, result, duration)
            self._follow(changed, but=job.name)
        elif result.status is Status.CANCELED:
            changed = self._board.apply(Action.CANCEL, [job.name])
            self._finish_job(job, Status.CANCELED, result.message, result, duration)
            self._follow(changed, but=job.name)
        elif not self._jobs_stop.reason and should_retry(job.retry, result, attempt):
            self._emit(JobRetried(
                time=self._time(), job=job.name, attempt=attempt + 1, reason=_failure(result),
            ))  # fmt: skip
            self._attempt(number, attempt + 1)
        else:
            self._fail(job, result, duration)

    def _fail(self, job: JobPlan, result: JobResult, duration: float | None = None) -> None:
        allowed = result.exit_code in job.allow_failure.exit_codes
        changed = self._board.apply(Action.DROP, [job.name], allowed=allowed)
        self._finish_job(job, Status.FAILED, _failure(result), result, duration)
        if self._cancel_on_failure and not self._board.may_fail(job.name):
            self._jobs_stop.request(f"{job.name} failed")
        self._follow(changed, but=job.name)

    def _finish_job(
        self,
        job: JobPlan,
        status: Status,
        reason: str | None,
        result: JobResult | None = None,
        duration: float | None = None,
    ) -> None:
        """Tell how a job left the pipeline; `result` is None for one that never ran."""
        bad = status is Status.FAILED or status is Status.CANCELED
        allowed = bad and self._board.may_fail(job.name)
        if bad and not allowed:
            self._reasons.note(job.name, status)
        self._emit(JobFinished(
            time=self._time(), job=job.name, stage=job.stage, status=status, allowed=allowed,
            exit_code=result.exit_code if result else None,
            failure_reason=result.failure if result and status is Status.FAILED else None,
            reason=reason, duration=duration,
            coverage=result.coverage if result else None, log=result.log if result else None,
        ))  # fmt: skip

    def _follow(self, changed: Iterable[str], *, but: str | None = None) -> None:
        """Act on statuses that changed in consequence of something, `but` being its cause."""
        skipped = []
        for name in changed:
            if name == but:
                continue
            number = self._number[name]
            job = self._plan.jobs[number]
            status = self._board.status(name)
            if status is Status.PENDING:
                heappush(self._ready, number)
            elif status is Status.SCHEDULED:
                heappush(self._delayed, (self._clock() + (job.start_in or 0.0), number))
            elif status is Status.SKIPPED:
                skipped.append(job)
            elif status is Status.CANCELED and number not in self._attempts:
                self._finish_job(job, status, self._jobs_stop.reason)
        for job in skipped:
            self._finish_job(
                job, Status.SKIPPED, self._reasons.why_skipped(job.name, self._board.status)
            )

    def _finish(self) -> RunFinished:
        board = self._board
        statuses = board.statuses()
        manual = [name for name, status in statuses.items() if status is Status.MANUAL]
        waiting = [name for name, status in statuses.items() if status is Status.CREATED]
        blocking = board.blocking()
        if waiting and not blocking:
            # Only needs that form a circle get here, which no valid configuration has.
            board.apply(Action.SKIP, waiting)
        for name in manual:
            self._finish_job(self._job(name), Status.MANUAL, "a manual job that was not started")
        for name in waiting:
            reason = f"waits for the manual job {blocking[0]}" if blocking else "waits for itself"
            self._finish_job(self._job(name), board.status(name), reason)
        canceled = self._stopped and Status.CANCELED in statuses.values()
        status = Status.CANCELED if canceled else board.pipeline
        failed = [name for name, status in statuses.items() if status is Status.FAILED]
        finished = RunFinished(
            time=self._time(), run=self._run_id, status=status, at=self._now(),
            warnings=board.warnings, blocked=blocking if status is Status.MANUAL else (),
            failed=tuple(name for name in failed if not board.may_fail(name)),
            stages=board.stages(),
        )  # fmt: skip
        self._emit(finished)
        return finished

    def _job(self, name: str) -> JobPlan:
        return self._plan.jobs[self._number[name]]

    def _time(self) -> float:
        return self._clock() - self._began


def _status_job(job: JobPlan, play: frozenset[str], now_delayed: bool) -> StatusJob:
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


def _shown_image(job: JobPlan) -> str | None:
    """The image as far as it is known before the job runs; what other jobs hand on stays as it is
    written."""
    if job.image is None or not has_reference(job.image.name):
        return None if job.image is None else job.image.name
    layers = {variable.key: variable for variable in (*job.variables, *job.overrides)}
    # A masked value is not looked into, not even by way of another variable.
    open_ones = tuple(variable for variable in layers.values() if not variable.masked)
    try:
        values = expand_all(
            open_ones,
            keep_undefined=True,
            expand_file_refs=False,
            expand_raw_refs=True,
        )
        shown = {variable.key: variable.value for variable in values}
        return expand(job.image.name, shown, keep_undefined=True)
    except ExpansionError:
        return job.image.name  # the job itself will fail of it


def _failure(result: JobResult) -> str:
    """Why an attempt failed, in words."""
    if result.message:
        return result.message
    if result.exit_code is not None:
        return f"exit status {result.exit_code}"
    return str(result.failure or "unknown failure").replace("_", " ")
