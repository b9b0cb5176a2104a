"""What a pipeline knows of the pipelines that its trigger jobs have made.

Source: GitLab's CI/CD YAML reference, `trigger:strategy`, and `Ci::Bridge`.
"""

from msgspec import Struct

from homeport.pipeline.model.event import ChildFinished, RunFinished, Status
from homeport.pipeline.model.plan import JobPlan

BLOCKED = (Status.MANUAL, Status.RUNNING)
"""What a pipeline is that waits for somebody: a trigger job runs on as long as its pipeline waits
(`strategy: depend`)."""


class ChildOf(Struct, frozen=True, kw_only=True):
    """Whose pipeline one is: the trigger job's name, the pipeline's id, and whether the job waits
    for it. `above` are the trigger jobs that led to it and wait for its end."""

    job: str
    id: int
    awaited: bool
    above: tuple[str, ...] = ()

    def told(self, finished: RunFinished) -> ChildFinished:
        """The end of the pipeline as it is told of a child."""
        return ChildFinished(
            time=finished.time,
            job=self.job,
            id=self.id,
            status=finished.status,
            awaited=self.awaited,
            warnings=finished.warnings,
            blocked=finished.blocked,
            failed=finished.failed,
            stages=finished.stages,
        )


class Children:
    """The pipelines made by one pipeline's trigger jobs, by the jobs' numbers and names."""

    def __init__(self) -> None:
        self.running: dict[int, float] = {}
        """Trigger jobs whose pipelines are made or run, and since when."""
        self.let_go: set[int] = set()
        """Trigger jobs that are over, while their pipelines may not be."""
        self.blocked: dict[str, tuple[str, ...]] = {}
        """Trigger jobs that wait for manual jobs of their pipelines."""
        self.failed: list[str] = []
        """Trigger jobs whose pipelines failed without their knowing, those of children, too."""

    def note(self, job: JobPlan, finished: RunFinished) -> None:
        """Remember how the pipeline of a trigger job ended."""
        self.failed += finished.failed_children
        if not is_awaited(job):
            if finished.failed or finished.status is Status.FAILED:
                self.failed.append(job.name)
        elif finished.blocked:
            self.blocked[job.name] = finished.blocked

    def blocking(self, manual: tuple[str, ...]) -> tuple[str, ...]:
        """All that a pipeline waits for: its own manual jobs, and those of awaited children."""
        own = tuple(name for name in manual if name not in self.blocked)
        return (*own, *(name for names in self.blocked.values() for name in names))


def is_awaited(job: JobPlan) -> bool:
    """Whether a trigger job takes the status of its pipeline."""
    return job.trigger is not None and job.trigger.strategy is not None


def status_of_trigger(job: JobPlan, finished: RunFinished) -> Status:
    """What a trigger job becomes by the end of the pipeline that it waits for.

    With `depend` it runs as long as that is blocked, and fails when that is skipped.
    """
    status = finished.status
    if job.trigger is not None and job.trigger.strategy == "mirror":
        return status
    if status is Status.MANUAL:
        return Status.RUNNING
    return Status.FAILED if status is Status.SKIPPED else status


def reason_of(finished: RunFinished) -> str | None:
    """Why, in words; None for a plain success."""
    if finished.status in (Status.MANUAL, Status.RUNNING):
        blocked = ", ".join(finished.blocked)
        return f"its pipeline waits for {blocked}" if blocked else "its pipeline is blocked"
    if finished.status is Status.FAILED:
        failed = ", ".join(finished.failed)
        return f"its pipeline failed: {failed}" if failed else "its pipeline failed"
    if finished.status is Status.SKIPPED:
        return "its pipeline was skipped: none of its jobs ran"
    if finished.status is Status.CANCELED:
        return "its pipeline was canceled"
    return "its pipeline succeeded with warnings" if finished.warnings else None
