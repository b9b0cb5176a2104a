"""Run a plan's jobs as a true DAG: each starts when what it waits for is done and a place is free.

Which job may start is asked of `status/`; what a job does is `run_job`'s affair, on a thread of
its own. Everything else happens on the calling thread, which sleeps until a job ends, a delay is
over or a stop is requested.
"""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from queue import Empty

from homeport.pipeline.execute.api import ChildResult, Downstream, JobResult, Stop
from homeport.pipeline.execute.children import (
    ChildOf,
    Children,
    is_awaited,
    reason_of,
    status_of_trigger,
)
from homeport.pipeline.execute.ending import Ask, ending, manual_jobs
from homeport.pipeline.execute.retry import should_retry
from homeport.pipeline.execute.slots import Ready, Slots, waiting_words
from homeport.pipeline.execute.words import delay_words, failure_words, shown_image
from homeport.pipeline.execute.workers import Inbox, RunJob, Workers
from homeport.pipeline.model.event import (
    ChildStarted,
    Event,
    JobFinished,
    JobNote,
    JobRetried,
    JobStarted,
    RunFinished,
    RunStarted,
    Status,
)
from homeport.pipeline.model.plan import JobPlan, Plan, Runs
from homeport.pipeline.status.board import Board
from homeport.pipeline.status.job import StatusJob, status_job
from homeport.pipeline.status.reason import Reasons
from homeport.pipeline.status.transition import Action

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
    ask: Ask | None = None,
    fail_fast: bool = False,
    slots: Slots | None = None,
    downstream: Downstream | None = None,
    child: ChildOf | None = None,
) -> RunFinished:
    """Run all jobs of `plan`, at most `concurrency` at once; returns the last event emitted.

    `run_job(job, attempt, stop)` runs one attempt (counted from 1) and may raise; it must end soon
    once its `stop` is requested. `play` names manual and delayed jobs to be started when their turn
    comes: for what follows they then count as ordinary jobs. `now_delayed` starts all delayed jobs
    without their delay. `ask` is put to somebody while manual jobs block all that is left to do.
    `fail_fast` cancels the rest when a job fails that may not, as
    `workflow:auto_cancel:on_job_failure: all` does. `clock` is monotonic, in seconds; `now` is
    wall-clock time in ISO 8601.

    `downstream` makes the pipelines of trigger jobs; the run is over when all of them are. `child`
    says that this is one, whose `slots` are those of the whole run: then its own start and end are
    told as `ChildStarted` and `ChildFinished`, and `clock` counts from the start of the run.

    Every job of the plan has exactly one `JobFinished`. Status manual there is a job nobody
    played, created one that waits for such a job, and running a trigger job whose pipeline does.
    Events are emitted on the calling thread, which is the only one that may get
    `KeyboardInterrupt`: the first is a request to stop, the second makes it urgent, the third is
    raised.
    """
    run = _Run(
        plan=plan,
        run_job=run_job,
        emit=emit,
        run_id=run_id,
        stop=stop,
        clock=clock,
        now=now,
        ask=ask,
        cancel_on_failure=fail_fast or plan.auto_cancel.get("on_job_failure") == "all",
        jobs=[status_job(job, play, now_delayed) for job in plan.jobs],
        slots=slots or Slots(concurrency),
        downstream=downstream,
        child=child,
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
        stop: Stop,
        clock: Callable[[], float],
        now: Callable[[], str],
        ask: Ask | None,
        cancel_on_failure: bool,
        jobs: list[StatusJob],
        slots: Slots,
        downstream: Downstream | None,
        child: ChildOf | None,
    ) -> None:
        self._plan = plan
        self._emit = emit
        self._run_id = run_id
        self._downstream = downstream
        self._child = child
        self._stop = stop
        self._clock = clock
        self._now = now
        self._ask = ask
        self._began = clock() if child is None else 0.0
        self._number = {job.name: number for number, job in enumerate(plan.jobs)}
        self._cancel_on_failure = cancel_on_failure
        self._board = Board(plan.stages, jobs, cancel_on_failure=cancel_on_failure)
        self._reasons = Reasons(plan.stages, jobs)
        self._inbox: Inbox = Inbox()
        # The jobs' own request to stop is made here, on this thread and never in the middle of
        # something else, while `stop` may be requested in a signal handler.
        self._jobs_stop = Stop()
        self._workers = Workers(run_job, self._jobs_stop, self._inbox)
        above = () if child is None else child.above
        self._ready = Ready(plan, slots, lambda: self._inbox.put(None), self._say, above=above)
        self._children = Children()
        self._delayed: list[tuple[float, int]] = []
        self._attempts: dict[int, tuple[int, float]] = {}
        self._stopped = False

    def execute(self) -> RunFinished:
        plan = self._plan
        names = tuple(self._number)
        if self._child is None:
            self._emit(RunStarted(
                time=0.0, run=self._run_id, at=self._now(), jobs=names, ref=plan.ref, sha=plan.sha,
            ))  # fmt: skip
        else:
            self._emit(ChildStarted(
                time=self._time(), job=self._child.job, id=self._child.id, jobs=names,
            ))  # fmt: skip
        unsubscribe = self._stop.subscribe(self._notice)
        try:
            self._follow(names)
            while self._advance() or (self._ask_for_manual() and self._advance()):
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
        for number, never in self._ready.take(self._is_pending):
            self._start(number, never)
        if self._jobs_stop.reason is not None:
            self._delayed.clear()
        return bool(self._attempts or self._delayed or self._children.running or self._ready.any)

    def _ask_for_manual(self) -> bool:
        """Whether somebody starts manual jobs, now that nothing else is left to do."""
        if self._ask is None or self._stop.reason is not None or not self._board.blocking():
            return False
        chosen = self._ask(manual_jobs(self._board, self._children))
        self._follow(self._board.apply(Action.PLAY, chosen))
        return bool(chosen) or self._stop.reason is not None

    def _is_pending(self, number: int) -> bool:
        return self._board.status(self._plan.jobs[number].name) is Status.PENDING

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
        if message is None:
            return
        number, news = message
        if isinstance(news, JobResult):
            self._end(number, news)
        elif isinstance(news, ChildResult):
            self._end_child(number, news)
        else:
            self._child_is_there(number)

    def _start(self, number: int, never: str | None) -> None:
        job = self._plan.jobs[number]
        if never is not None:
            self._fail(job, JobResult(status=Status.FAILED, message=never))
            return
        if job.runs is Runs.DOWNSTREAM:
            self._start_child(number, job)
            return
        self._board.apply(Action.RUN, [job.name])
        self._attempt(number, 1)

    def _start_child(self, number: int, job: JobPlan) -> None:
        self._board.apply(Action.RUN, [job.name])
        self._emit(JobStarted(
            time=self._time(), job=job.name, stage=job.stage, runs=job.runs,
        ))  # fmt: skip
        self._children.running[number] = self._clock()
        assert self._downstream is not None  # noqa: S101 - there is one for plans with such jobs
        self._workers.start_child(number, job, self._downstream)

    def _child_is_there(self, number: int) -> None:
        """Without a strategy a trigger job is done when its pipeline is there."""
        job = self._plan.jobs[number]
        if is_awaited(job):
            return
        self._children.let_go.add(number)
        self._ready.give(number)
        if self._board.status(job.name) is Status.RUNNING:
            changed = self._board.apply(Action.SUCCESS, [job.name])
            duration = self._clock() - self._children.running[number]
            self._finish_job(job, Status.SUCCESS, None, None, duration)
            self._follow(changed, but=job.name)

    def _end_child(self, number: int, result: ChildResult) -> None:
        job = self._plan.jobs[number]
        duration = self._clock() - self._children.running.pop(number)
        finished = result.finished
        if finished is not None:
            self._children.note(job, finished)
        if number in self._children.let_go:
            return
        self._ready.give(number)
        if self._board.status(job.name) is Status.CANCELED:
            self._finish_job(job, Status.CANCELED, self._jobs_stop.reason, None, duration)
            return
        status = Status.FAILED if finished is None else status_of_trigger(job, finished)
        reason = result.message if finished is None else reason_of(finished)
        if status is Status.FAILED:
            self._fail(job, JobResult(status=status, message=reason), duration)
            return
        changed = self._board.mirror(job.name, status)
        self._finish_job(job, status, reason, None, duration)
        self._follow(changed, but=job.name)

    def _attempt(self, number: int, attempt: int) -> None:
        job = self._plan.jobs[number]
        self._emit(JobStarted(
            time=self._time(), job=job.name, stage=job.stage, runs=job.runs,
            image=shown_image(job),
            attempt=attempt,
        ))  # fmt: skip
        running = len(self._attempts)
        self._attempts[number] = (attempt, self._clock())
        self._workers.start(number, job, attempt, running=running)

    def _end(self, number: int, result: JobResult) -> None:
        job = self._plan.jobs[number]
        attempt, began = self._attempts.pop(number)
        duration = result.duration or self._clock() - began
        if self._is_retried(job, result, attempt):
            self._emit(JobRetried(
                time=self._time(), job=job.name, attempt=attempt + 1, reason=failure_words(result),
            ))  # fmt: skip
            self._attempt(number, attempt + 1)
            return
        self._ready.give(number)
        if self._board.status(job.name) is Status.CANCELED:
            self._finish_job(job, Status.CANCELED, self._jobs_stop.reason, result, duration)
        elif result.status is Status.FAILED:
            self._fail(job, result, duration)
        else:
            action = Action.SUCCESS if result.status is Status.SUCCESS else Action.CANCEL
            changed = self._board.apply(action, [job.name])
            self._finish_job(job, result.status, result.message, result, duration)
            self._follow(changed, but=job.name)

    def _is_retried(self, job: JobPlan, result: JobResult, attempt: int) -> bool:
        return (
            result.status is Status.FAILED
            and self._board.status(job.name) is not Status.CANCELED
            and not self._jobs_stop.reason
            and should_retry(job.retry, result, attempt)
        )

    def _fail(self, job: JobPlan, result: JobResult, duration: float | None = None) -> None:
        allowed = result.exit_code in job.allow_failure.exit_codes
        changed = self._board.apply(Action.DROP, [job.name], allowed=allowed)
        self._finish_job(job, Status.FAILED, failure_words(result), result, duration)
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
                self._ready.add(number)
            elif status is Status.WAITING_FOR_RESOURCE:
                self._say(number, waiting_words(job, self._board.holder(job.resource_group)))
            elif status is Status.SCHEDULED:
                delay = job.start_in or 0.0
                heappush(self._delayed, (self._clock() + delay, number))
                self._say(number, delay_words(delay))
            elif status is Status.SKIPPED:
                skipped.append(job)
            elif status is Status.CANCELED and not self._is_busy(number):
                self._finish_job(job, status, self._jobs_stop.reason)
        for job in skipped:
            reason = self._reasons.why_skipped(job.name, self._board)
            self._finish_job(job, Status.SKIPPED, reason)

    def _say(self, number: int, message: str) -> None:
        name = self._plan.jobs[number].name
        self._emit(JobNote(time=self._time(), job=name, message=message))

    def _is_busy(self, number: int) -> bool:
        """Whether a job's own end is still to come."""
        return number in self._attempts or (
            number in self._children.running and number not in self._children.let_go
        )

    def _finish(self) -> RunFinished:
        end = ending(self._board, self._children, stopped=self._stopped)
        for name, status, reason in end.left:
            self._finish_job(self._plan.jobs[self._number[name]], status, reason)
        finished = RunFinished(
            time=self._time(), run=self._run_id, status=end.status, at=self._now(),
            warnings=self._board.warnings, blocked=end.blocked, failed=end.failed,
            failed_children=tuple(self._children.failed), stages=self._board.stages(),
        )  # fmt: skip
        self._emit(finished if self._child is None else self._child.told(finished))
        return finished

    def _time(self) -> float:
        return self._clock() - self._began
