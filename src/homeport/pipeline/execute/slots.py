"""The places for jobs that all pipelines of a run share, and the resource groups that they take."""

from collections.abc import Callable, Container, Iterator
from heapq import heappop, heappush
from threading import Lock
from typing import TYPE_CHECKING

from msgspec import Struct

from homeport.pipeline.model.plan import JobPlan, Plan, Runs

if TYPE_CHECKING:
    from homeport.pipeline.execute.resource_groups import ResourceGroups

Wake = Callable[[], None]


class Group(Struct, frozen=True, kw_only=True):
    """A resource group of a project (`Plan.project`)."""

    project: str
    name: str


class Wait(Struct, frozen=True, kw_only=True):
    """Why a job cannot start yet: `holder` has its resource group, in words, or there is no place;
    `own` is the holder's name where it is a job of this run."""

    holder: str | None = None
    own: str | None = None


class Slots:
    """At most `count` jobs at once, and one of each resource group, in whatever pipeline they are.

    `groups` opens the resource groups that all runs share; without it they are this run's alone.
    Who gets no place is woken when one may be free, and tries again. Nobody is woken when another
    run lets go of something: who waits for that asks from time to time. May be used by any thread.
    """

    def __init__(self, count: int, groups: "Callable[[], ResourceGroups] | None" = None) -> None:
        self._free = max(1, count)
        self._held: dict[Group, str] = {}
        self._open_groups = groups
        self._groups: ResourceGroups | None = None
        self._waiting: dict[Wake, None] = {}
        self._lock = Lock()

    def take(
        self, job: str, group: Group | None, wake: Wake, *, placed: bool = True
    ) -> Wait | None:
        """Take a place for a job, and its resource group; not `placed` takes the group alone. None
        if it has them now. Raises what `ResourceGroups.take` does."""
        with self._lock:
            wait = Wait() if placed and not self._free else self._take_group(job, group)
            if wait is None:
                self._free -= placed
            else:
                self._waiting[wake] = None
            return wait

    def give(self, group: Group | None, *, placed: bool = True) -> None:
        """Give back what was taken."""
        with self._lock:
            self._free += placed
            if group is not None:
                del self._held[group]
                if self._groups is not None:
                    self._groups.give(group)
            waiting, self._waiting = tuple(self._waiting), {}
        for wake in waiting:
            wake()

    def _take_group(self, job: str, group: Group | None) -> Wait | None:
        if group is None:
            return None
        own = self._held.get(group)
        if own is not None:
            return Wait(holder=own, own=own)
        if self._groups is None and self._open_groups is not None:
            self._groups = self._open_groups()
        if self._groups is not None and not self._groups.take(group, job):
            return Wait(holder=self._groups.holder(group))
        self._held[group] = job
        return None


class Ready:
    """The jobs of one pipeline that may start, given out in the order of the plan.

    Trigger jobs, and what is not run here, take no place and wait for none. `tell` hears once of
    each job that waits for its resource group, and why. `above` are the trigger jobs that led to
    this pipeline and wait for its end.
    """

    def __init__(
        self,
        plan: Plan,
        slots: Slots,
        wake: Wake,
        tell: Callable[[int, str], None],
        *,
        above: Container[str] = (),
    ) -> None:
        self._jobs = plan.jobs
        self._project = plan.project
        self._slots = slots
        self._wake = wake
        self._tell = tell
        self._above = above
        self._told: set[int] = set()
        self._placed: list[int] = []
        self._unplaced: list[int] = []

    @property
    def any(self) -> bool:
        """Whether any job is left."""
        return bool(self._placed or self._unplaced)

    def add(self, number: int) -> None:
        heappush(self._placed if self._is_placed(number) else self._unplaced, number)

    def take(self, is_pending: Callable[[int], bool]) -> Iterator[tuple[int, str | None]]:
        """The numbers of jobs that start now, each with its place; those that are no longer pending
        are forgotten. More may be added meanwhile.

        A job that is not run here, or would wait for ever for its group, is given out, too: without
        a place and with the reason.
        """
        left: list[int] = []
        full = False
        while self._unplaced or (self._placed and not full):
            number = heappop(self._unplaced or self._placed)
            if not is_pending(number):
                continue
            wait = self._wait(number)
            if wait is None:
                job = self._jobs[number]
                yield number, (job.not_run or "not run here") if job.runs is Runs.NOWHERE else None
            elif wait.own is not None and wait.own in self._above:
                name = self._jobs[number].resource_group
                yield number, f"{wait.own} has the resource group {name} until this job is over"
            else:
                left.append(number)
                full = full or wait.holder is None
                self._say(number, wait)
        for number in left:
            self.add(number)

    def give(self, number: int) -> None:
        """A job that was given out with its place is over."""
        group, placed = self._group(number), self._is_placed(number)
        if placed or group is not None:
            self._slots.give(group, placed=placed)

    def _wait(self, number: int) -> Wait | None:
        group, placed = self._group(number), self._is_placed(number)
        if not placed and group is None:
            return None
        return self._slots.take(self._jobs[number].name, group, self._wake, placed=placed)

    def _say(self, number: int, wait: Wait) -> None:
        if wait.holder is not None and number not in self._told:
            self._told.add(number)
            self._tell(number, waiting_words(self._jobs[number], wait.holder))

    def _is_placed(self, number: int) -> bool:
        return self._jobs[number].runs not in (Runs.NOWHERE, Runs.DOWNSTREAM)

    def _group(self, number: int) -> Group | None:
        job = self._jobs[number]
        if job.resource_group is None or job.runs is Runs.NOWHERE:
            return None
        return Group(project=self._project, name=job.resource_group)


def waiting_words(job: JobPlan, holder: str | None) -> str:
    """What is said of a job that waits for its resource group."""
    return f"waits for the resource group {job.resource_group}, which {holder or 'another job'} has"
