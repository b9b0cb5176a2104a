"""What each job waits for, kept up to date change by change: its needs, or all earlier stages.

A stage and the whole pipeline keep how many of their jobs bear each mark (composite.py); a job
with `needs` keeps how many of its needs are of each kind that matters to it.
"""

from collections.abc import Iterator, Mapping, Sequence

from homeport.pipeline.model.event import Status
from homeport.pipeline.status.composite import (
    composite,
    composite_of_needs,
    is_complete,
)
from homeport.pipeline.status.job import StatusJob


class _Tally:
    """A multiset of marks that knows which occur at all."""

    __slots__ = ("_counts", "marks")

    def __init__(self) -> None:
        self.marks = 0
        self._counts: dict[int, int] = {}

    def add(self, mark: int) -> None:
        self._counts[mark] = self._counts.get(mark, 0) + 1
        self.marks |= mark

    def replace(self, old: int, new: int) -> bool:
        """Whether the set of marks that occur is another one now."""
        before = self.marks
        left = self._counts[old] - 1
        self._counts[old] = left
        if not left:
            self.marks &= ~old
        self.add(new)
        return self.marks != before


class StageOrder:
    """The marks of each stage (by position) and of the pipeline."""

    def __init__(self, stages: int, stage_of: Sequence[int], mark_of: Sequence[int]) -> None:
        self._stage_of = stage_of
        self._tallies = [_Tally() for _ in range(stages)]
        self._all = _Tally()
        for stage, mark in zip(stage_of, mark_of, strict=True):
            self._tallies[stage].add(mark)
            self._all.add(mark)
        self.marks = [tally.marks for tally in self._tallies]
        self._first = 0
        # _before[i] are the marks of all stages before i; the list is right as far as it goes.
        self._before = [0]
        self._advance()

    @property
    def total(self) -> int:
        """The marks of the whole pipeline."""
        return self._all.marks

    @property
    def first_incomplete(self) -> int:
        """The first stage with a job that is not complete, or the number of stages."""
        return self._first

    def previous(self, stage: int) -> Status:
        """The composite status of all jobs in the stages before `stage`."""
        before = self._before
        while len(before) <= stage:
            before.append(before[-1] | self.marks[len(before) - 1])
        return composite(before[stage])

    def change(self, place: int, old: int, new: int) -> None:
        self._all.replace(old, new)
        stage = self._stage_of[place]
        tally = self._tallies[stage]
        if tally.replace(old, new):
            self.marks[stage] = tally.marks
            del self._before[stage + 1 :]
            if stage < self._first and not is_complete(tally.marks):
                self._first = stage
            elif stage == self._first:
                self._advance()

    def _advance(self) -> None:
        while self._first < len(self.marks) and is_complete(self.marks[self._first]):
            self._first += 1


class NeedsOrder:
    """The marks of each job's needs, and who needs whom."""

    def __init__(
        self, jobs: Sequence[StatusJob], index: Mapping[str, int], mark_of: Sequence[int]
    ) -> None:
        self._needed_by: list[list[int]] = [[] for _ in jobs]
        self._tallies: list[_Tally | None] = []
        for place, job in enumerate(jobs):
            tally = None
            if job.needs is not None:
                tally = _Tally()
                for need in dict.fromkeys(job.needs):
                    source = index.get(need)
                    if source is not None:
                        tally.add(mark_of[source])
                        self._needed_by[source].append(place)
            self._tallies.append(tally)

    def previous(self, place: int) -> Status:
        """The composite status of a job's needs."""
        tally = self._tallies[place]
        marks = 0 if tally is None else tally.marks
        return composite_of_needs(marks)

    def change(self, place: int, old: int, new: int) -> Iterator[int]:
        """Tell the jobs that need this one; yields those for which anything is different."""
        for other in self._needed_by[place]:
            tally = self._tallies[other]
            if tally is not None and tally.replace(old, new):
                yield other

    def descendants(self, place: int) -> set[int]:
        """The jobs that need this one, or need a job that does, and so on."""
        found: set[int] = set()
        todo = list(self._needed_by[place])
        while todo:
            other = todo.pop()
            if other not in found:
                found.add(other)
                todo.extend(self._needed_by[other])
        return found
