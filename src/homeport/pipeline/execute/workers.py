"""Threads that run jobs: made when there is work for them, kept for the next job, ended at last."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from homeport.errors import HomeportError
from homeport.pipeline.execute.api import ChildResult, Downstream, JobResult, Stop
from homeport.pipeline.model.event import FailureReason, Status
from homeport.pipeline.model.plan import JobPlan

RunJob = Callable[[JobPlan, int, Stop], JobResult]


class Created:
    """A trigger job has made its pipeline, which runs from now on."""


Inbox = SimpleQueue[tuple[int, JobResult | ChildResult | Created] | None]


class Workers:
    """Runs attempts of jobs, each on a thread of its own, and puts `(number, result)` into `inbox`.

    Whatever `run_job` raises becomes the result of that attempt: a thread never dies of it.
    """

    def __init__(self, run_job: RunJob, stop: Stop, inbox: Inbox) -> None:
        self._run_job = run_job
        self._stop = stop
        self._inbox = inbox
        self._tasks: SimpleQueue[tuple[int, JobPlan, int] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._children: list[Thread] = []

    def start(self, number: int, job: JobPlan, attempt: int, *, running: int) -> None:
        """Begin an attempt; `running` is how many others have not reported yet."""
        if running >= len(self._threads):
            # A daemon thread lets a second Ctrl-C end the process however stuck a job is.
            thread = Thread(target=self._work, name=f"homeport-job-{running}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._inbox.put((number, _broken(f"the system gives no more threads: {error}")))
                return
            self._threads.append(thread)
        self._tasks.put((number, job, attempt))

    def start_child(self, number: int, job: JobPlan, downstream: Downstream) -> None:
        """Make and run the pipeline of a trigger job, on a thread for it alone: `(number, Created)`
        comes when it is there, `(number, ChildResult)` when it is over."""
        thread = Thread(
            target=self._run_child,
            args=(number, job, downstream),
            name=f"homeport-child-{number}",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError as error:
            message = f"the system gives no more threads: {error}"
            self._inbox.put((number, ChildResult(message=message)))
            return
        self._children.append(thread)

    def close(self) -> None:
        """Wait for the running attempts and end the threads."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        for thread in self._children:
            thread.join()
        self._threads.clear()
        self._children.clear()

    def _run_child(self, number: int, job: JobPlan, downstream: Downstream) -> None:
        def created() -> None:
            self._inbox.put((number, Created()))

        try:
            result = downstream.run(job, self._stop, created)
        except HomeportError as error:
            result = ChildResult(message=str(error))
        except BaseException as error:  # noqa: BLE001
            message = f"homeport itself failed: {type(error).__name__}: {error}"
            result = ChildResult(message=message)
        self._inbox.put((number, result))

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            number, job, attempt = task
            try:
                result = self._run_job(job, attempt, self._stop)
                if result.status not in _ENDS:
                    result = _broken(f"the job ended as {result.status}, which is no end")
            except BaseException as error:  # noqa: BLE001
                result = _broken(f"homeport itself failed: {type(error).__name__}: {error}")
            self._inbox.put((number, result))


_ENDS = (Status.SUCCESS, Status.FAILED, Status.CANCELED)


def _broken(message: str) -> JobResult:
    return JobResult(
        status=Status.FAILED, failure=FailureReason.RUNNER_SYSTEM_FAILURE, message=message
    )
