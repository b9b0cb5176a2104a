"""All jobs of one pipeline with their statuses, and what follows when one of them changes.

Source: GitLab, app/services/ci/pipeline_processing/atomic_processing_service.rb, process_build,
retry_job, retry_pipeline, reset_skipped_jobs, enqueue_job and cancel_pipeline services. Unlike
there nothing is recomputed that did not change: a change costs the number of jobs that need the
changed one, so that a whole run is linear in jobs and needs.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from homeport.pipeline.model.config import When
from homeport.pipeline.model.event import Status
from homeport.pipeline.status.composite import WARNED, composite, mark_of
from homeport.pipeline.status.job import StatusJob
from homeport.pipeline.status.order import NeedsOrder, StageOrder
from homeport.pipeline.status.transition import (
    CANCELABLE,
    COMPLETED,
    ENQUEUEABLE,
    RETRYABLE,
    Action,
    next_pipeline_status,
    next_stage_status,
    next_status,
    starts_after,
)


class Board:
    """The statuses of a pipeline; made with every job that can be pending, already so.

    `stages` are names in order; stages without jobs are left out. Job names are unique and their
    stages are among `stages` (ValueError otherwise). `cancel_on_failure` is
    `workflow:auto_cancel:on_job_failure: all`.
    """

    def __init__(
        self, stages: Sequence[str], jobs: Sequence[StatusJob], *, cancel_on_failure: bool = False
    ) -> None:
        self.jobs = tuple(jobs)
        self._index = {job.name: place for place, job in enumerate(self.jobs)}
        if len(self._index) != len(self.jobs):
            raise ValueError("job names are not unique")
        used = {job.stage for job in self.jobs}
        if not used.issubset(stages):
            raise ValueError("a job's stage is not among the stages")
        self._stage_names = tuple(dict.fromkeys(name for name in stages if name in used))
        position = {name: place for place, name in enumerate(self._stage_names)}
        self._stage = [position[job.stage] for job in self.jobs]
        self._cancel_on_failure = cancel_on_failure

        count = len(self.jobs)
        self._status = [Status.CREATED] * count
        self._may_fail = [job.allow_failure for job in self.jobs]
        self._mark = [mark_of(Status.CREATED, may_fail) for may_fail in self._may_fail]
        self._at_once = [False] * count
        self._by_needs = NeedsOrder(self.jobs, self._index, self._mark)
        self._by_stage = StageOrder(len(self._stage_names), self._stage, self._mark)
        self._created_in: list[list[int]] = [[] for _ in self._stage_names]
        self._judge: deque[int] = deque()
        self._holder: dict[str, int] = {}
        self._waiting: dict[str, deque[int]] = {}
        self._before: dict[int, Status] = {}
        self._touched: set[int] = set(range(len(self._stage_names)))
        self._stage_status = [Status.CREATED] * len(self._stage_names)
        self._pipeline = Status.CREATED
        for place in range(count):
            self._await(place)
        self._process()

    @property
    def pipeline(self) -> Status:
        return self._pipeline

    @property
    def warnings(self) -> bool:
        """Whether a job failed or was canceled that may."""
        return bool(self._by_stage.total & WARNED)

    def stages(self) -> dict[str, Status]:
        """The status of each stage that has jobs, in order."""
        return dict(zip(self._stage_names, self._stage_status, strict=True))

    def statuses(self) -> dict[str, Status]:
        """The status of each job, in the order given."""
        return dict(zip(self._index, self._status, strict=True))

    def status(self, name: str) -> Status:
        return self._status[self._index[name]]

    def may_fail(self, name: str) -> bool:
        """Whether a failure of the job counts as a warning only."""
        return self._may_fail[self._index[name]]

    def holder(self, group: str | None) -> str | None:
        """The job that has the resource group."""
        place = self._holder.get(group or "")
        return None if place is None else self.jobs[place].name

    def blocking(self) -> tuple[str, ...]:
        """The manual jobs that the pipeline waits for."""
        return tuple(
            job.name
            for job, status, may_fail in zip(self.jobs, self._status, self._may_fail, strict=True)
            if status is Status.MANUAL and not may_fail
        )

    def apply(
        self, action: Action, names: Iterable[str] | None = None, *, allowed: bool = False
    ) -> tuple[str, ...]:
        """Do something to jobs, or (RETRY and CANCEL) to the whole pipeline when `names` is None.

        An action that a job's status does not admit changes nothing. `allowed` says that a
        dropped job may fail after all, because of its exit code. Returns the names of the jobs
        whose status is now another one, those changed in consequence included.
        """
        self._before = {}
        if names is None:
            self._apply_to_all(action)
        else:
            for name in names:
                self._apply_to(action, self._index[name], allowed)
        return self._settle()

    def mirror(self, name: str, status: Status) -> tuple[str, ...]:
        """Give a running trigger job the status of its pipeline (`trigger:strategy: mirror`), which
        may be manual or skipped. Returns what `apply` does."""
        self._before = {}
        place = self._index[name]
        if self._status[place] is Status.RUNNING:
            self._set(place, status)
            if status is Status.FAILED:
                self._after_failure(place)
        return self._settle()

    def _settle(self) -> tuple[str, ...]:
        self._process()
        return tuple(
            self.jobs[place].name
            for place, before in self._before.items()
            if self._status[place] is not before
        )

    def _apply_to_all(self, action: Action) -> None:
        if action is Action.CANCEL:
            self._cancel_all()
        elif action is Action.RETRY:
            for place in range(len(self.jobs)):
                status = self._status[place]
                if status is Status.FAILED or status is Status.CANCELED:
                    self._renew(place, at_once=False)
                elif status is Status.SKIPPED:
                    self._recreate(place)
        else:
            raise ValueError(f"{action} is for jobs, not for a pipeline")

    def _apply_to(self, action: Action, place: int, allowed: bool) -> None:
        status = self._status[place]
        if action is Action.RETRY or (action is Action.PLAY and status in RETRYABLE):
            self._retry(place)
        elif action is Action.ENQUEUE or action is Action.PLAY:
            if status in ENQUEUEABLE:
                self._enqueue(place)
                if action is Action.PLAY:
                    self._reset_skipped(place)
        else:
            target = next_status(action, status)
            if target is not None:
                if allowed and action is Action.DROP:
                    self._may_fail[place] = True
                self._set(place, target)
                if target is Status.FAILED:
                    self._after_failure(place)

    def _after_failure(self, place: int) -> None:
        if self._cancel_on_failure and not self._may_fail[place]:
            self._cancel_all()

    def _cancel_all(self) -> None:
        for place, status in enumerate(self._status):
            if status in CANCELABLE:
                self._set(place, Status.CANCELED)

    def _retry(self, place: int) -> None:
        if self._status[place] not in RETRYABLE:
            return
        self._renew(place, at_once=self.jobs[place].when in (When.MANUAL, When.DELAYED))
        # The new job finds its place before what was skipped after the old one is looked at anew:
        # a pipeline remembers that it ran in between.
        self._process()
        if self._status[place] is not Status.FAILED:
            self._reset_skipped(place)

    def _renew(self, place: int, *, at_once: bool) -> None:
        """A finished job gives way to a new one of the same name."""
        self._at_once[place] = at_once
        self._may_fail[place] = self.jobs[place].allow_failure
        self._recreate(place)

    def _recreate(self, place: int) -> None:
        self._set(place, Status.CREATED)
        self._await(place)

    def _reset_skipped(self, place: int) -> None:
        """Skipped jobs that need this one, directly or not, or are in a later stage."""
        after = self._by_needs.descendants(place)
        stage = self._stage[place]
        for other, status in enumerate(self._status):
            if status is Status.SKIPPED and (other in after or self._stage[other] > stage):
                self._recreate(other)

    def _await(self, place: int) -> None:
        """Note a created job to be looked at when what it waits for is complete."""
        if self.jobs[place].needs is None:
            self._created_in[self._stage[place]].append(place)
        else:
            self._judge.append(place)

    def _process(self) -> None:
        """Let every created job start, wait or be skipped, as far as it is decided."""
        while True:
            while self._judge:
                place = self._judge.popleft()
                if self._status[place] is Status.CREATED:
                    self._decide(place, self._by_needs.previous(place), by_needs=True)
            # A stage with a created job in it is never complete, so that the first incomplete
            # stage is the only one that can have jobs whose earlier stages are all complete.
            stage = self._by_stage.first_incomplete
            if stage == len(self._stage_names) or not self._created_in[stage]:
                break
            places = sorted(self._created_in[stage])
            self._created_in[stage].clear()
            previous = self._by_stage.previous(stage)
            for place in places:
                if self._status[place] is Status.CREATED:
                    self._decide(place, previous, by_needs=False)
        self._publish()
        if self._assign_resources():
            self._publish()

    def _decide(self, place: int, previous: Status, *, by_needs: bool) -> None:
        if previous is Status.PENDING:
            return
        when = self.jobs[place].when
        if not starts_after(when, by_needs, previous):
            self._set(place, Status.SKIPPED)
        elif when is When.DELAYED and not self._at_once[place]:
            self._set(place, Status.SCHEDULED)
        elif when is When.MANUAL and not self._at_once[place]:
            self._set(place, Status.MANUAL)
        else:
            self._enqueue(place)

    def _enqueue(self, place: int) -> None:
        group = self.jobs[place].resource_group
        if group is None:
            self._set(place, Status.PENDING)
        else:
            self._set(place, Status.WAITING_FOR_RESOURCE)
            self._waiting.setdefault(group, deque()).append(place)

    def _assign_resources(self) -> bool:
        """Give each free resource group to the job that waits longest for it."""
        assigned = False
        for group in tuple(self._waiting):
            queue = self._waiting[group]
            while queue and group not in self._holder:
                place = queue.popleft()
                if self._status[place] is Status.WAITING_FOR_RESOURCE:
                    self._holder[group] = place
                    self._set(place, Status.PENDING)
                    assigned = True
            if not queue:
                del self._waiting[group]
        return assigned

    def _set(self, place: int, status: Status) -> None:
        self._before.setdefault(place, self._status[place])
        self._status[place] = status
        group = self.jobs[place].resource_group
        if group is not None and status in COMPLETED and self._holder.get(group) == place:
            del self._holder[group]
        old = self._mark[place]
        new = mark_of(status, self._may_fail[place])
        if new == old:
            return
        self._mark[place] = new
        self._touched.add(self._stage[place])
        self._by_stage.change(place, old, new)
        self._judge.extend(self._by_needs.change(place, old, new))

    def _publish(self) -> None:
        for stage in self._touched:
            self._stage_status[stage] = next_stage_status(
                self._stage_status[stage], composite(self._by_stage.marks[stage])
            )
        self._touched.clear()
        self._pipeline = next_pipeline_status(self._pipeline, composite(self._by_stage.total))
