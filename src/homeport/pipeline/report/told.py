"""A run as reports tell it: what happened, without how it was found out."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from homeport.pipeline.model.event import Status


class ToldJob(Struct, frozen=True, kw_only=True):
    """A job of a run. Times are seconds since the run began; `started` is None for one that never
    ran, `needs` where it waits for all earlier stages. `made_by` is the trigger job whose pipeline
    it is of, None in the run's own; a run has that one before it. `phases` are of the last attempt.
    `reports` are the files of its JUnit reports, `others` those of other reports by type."""

    name: str
    stage: str
    status: Status
    needs: tuple[str, ...] | None = None
    made_by: str | None = None
    allowed: bool = False
    attempts: int = 0
    started: float | None = None
    finished: float = 0.0
    runs: str | None = None
    image: str | None = None
    reason: str | None = None
    exit_code: int | None = None
    coverage: str | None = None
    phases: Mapping[str, float] = {}
    log: Path | None = None
    reports: tuple[Path, ...] = ()
    others: Mapping[str, tuple[Path, ...]] = {}

    @property
    def duration(self) -> float | None:
        return None if self.started is None else max(0.0, self.finished - self.started)


class ToldRun(Struct, frozen=True, kw_only=True):
    """A run; `at` is seconds since 1970, `status` None for one that was killed."""

    id: str
    at: float
    root: str
    ref: str
    sha: str
    status: Status | None
    duration: float
    stages: tuple[str, ...] = ()
    jobs: tuple[ToldJob, ...] = ()

    def waited_for(self, job: ToldJob) -> Iterator[ToldJob]:
        """The jobs that `job` had to wait for: its needs, else those of earlier stages."""
        if job.needs is not None:
            return (other for other in self.jobs if other.name in job.needs)
        place = {stage: number for number, stage in enumerate(self.stages)}
        own = place.get(job.stage, len(place))
        return (
            other
            for other in self.jobs
            if other.made_by == job.made_by and place.get(other.stage, len(place)) < own
        )

    def critical_path(self) -> tuple[ToldJob, ...]:
        """The jobs that the run's time is made of, the first one first: before each stands the one
        that it waited for longest."""
        ran = [job for job in self.jobs if job.started is not None]
        if not ran:
            return ()
        path = [max(ran, key=lambda job: job.finished)]
        for _ in ran:
            began = path[-1].started or 0.0
            before = [
                job
                for job in self.waited_for(path[-1])
                if job.started is not None and job.started <= began and job not in path
            ]
            if not before:
                break
            path.append(max(before, key=lambda job: job.finished))
        return tuple(reversed(path))
