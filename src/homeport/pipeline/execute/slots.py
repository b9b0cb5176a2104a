"""The places for jobs that all pipelines of a run share, and the resource groups among them."""

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from threading import Lock

from homeport.pipeline.model.plan import JobPlan, Runs

Wake = Callable[[], None]


class Slots:
    """At most `count` jobs at once, and one of each resource group, in whatever pipeline they are.

    Who gets no place is woken when one may be free, and tries again. May be used by any thread.
    """

    def __init__(self, count: int) -> None:
        self._free = max(1, count)
        self._held: set[str] = set()
        self._waiting: dict[Wake, None] = {}
        self._lock = Lock()

    def take(self, group: str | None, wake: Wake) -> bool:
        """Take a place for a job of the resource group `group`, if there is one."""
        with self._lock:
            if self._free and group not in self._held:
                self._free -= 1
                if group is not None:
                    self._held.add(group)
                return True
            self._waiting[wake] = None
            return False

    def give(self, group: str | None) -> None:
        """Give a place back."""
        with self._lock:
            self._free += 1
            self._held.discard(group or "")
            waiting, self._waiting = tuple(self._waiting), {}
        for wake in waiting:
            wake()


class Ready:
    """The jobs of one pipeline that may start, given out in the order of the plan.

    Trigger jobs, and what is not run here, take no place and wait for none.
    """

    def __init__(self, jobs: Sequence[JobPlan], slots: Slots, wake: Wake) -> None:
        self._jobs = jobs
        self._slots = slots
        self._wake = wake
        self._placed: list[int] = []
        self._unplaced: list[int] = []

    @property
    def any(self) -> bool:
        """Whether any job is left."""
        return bool(self._placed or self._unplaced)

    def add(self, number: int) -> None:
        placed = self._jobs[number].runs not in (Runs.NOWHERE, Runs.DOWNSTREAM)
        heappush(self._placed if placed else self._unplaced, number)

    def take(self, is_pending: Callable[[int], bool]) -> Iterator[int]:
        """The numbers of jobs that start now, each with its place; those that are no longer pending
        are forgotten. More may be added meanwhile."""
        left: list[int] = []
        full = False
        while self._unplaced or (self._placed and not full):
            number = heappop(self._unplaced or self._placed)
            job = self._jobs[number]
            if not is_pending(number):
                continue
            if job.runs in (Runs.NOWHERE, Runs.DOWNSTREAM) or self._slots.take(
                job.resource_group, self._wake
            ):
                yield number
            else:
                left.append(number)
                full = job.resource_group is None
        for number in left:
            heappush(self._placed, number)
