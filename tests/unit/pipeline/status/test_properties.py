"""Any pipeline ends, always in the same way, and exactly where a plain reading of GitLab's
processing (every job looked at again after every change) says."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.pipeline.model.config import When
from homeport.pipeline.model.event import Status
from homeport.pipeline.status.board import Board
from homeport.pipeline.status.composite import composite, composite_of_needs, marks_of
from homeport.pipeline.status.job import StatusJob
from homeport.pipeline.status.transition import COMPLETED, RETRYABLE, Action, starts_after

STAGES = ("a", "b", "c", "d")
MOVES = (Action.SUCCESS, Action.DROP, Action.CANCEL, Action.RUN, Action.PLAY, Action.RETRY)


@st.composite
def pipelines(draw: st.DrawFn) -> list[StatusJob]:
    count = draw(st.integers(0, 8))
    stages = sorted(draw(st.lists(st.sampled_from(STAGES), min_size=count, max_size=count)))
    jobs: list[StatusJob] = []
    for place, stage in enumerate(stages):
        earlier = st.sampled_from([job.name for job in jobs] or ["absent"])
        needs = draw(st.none() | st.lists(earlier, max_size=3).map(tuple))
        jobs.append(
            StatusJob(
                name=f"j{place}",
                stage=stage,
                when=draw(st.sampled_from(When)),
                allow_failure=draw(st.booleans()),
                needs=needs,
            )
        )
    return jobs


def settle_plainly(
    jobs: list[StatusJob], statuses: dict[str, Status], at_once: frozenset[str] = frozenset()
) -> None:
    """What a pass over all created jobs makes of them (jobs are in stage and needs order);
    `at_once` are those that were retried, which neither wait nor ask again."""
    by_name = {job.name: job for job in jobs}
    for job in jobs:
        if statuses[job.name] is not Status.CREATED:
            continue
        waits_for = (
            [other for other in jobs if other.stage < job.stage]
            if job.needs is None
            else [by_name[name] for name in job.needs if name in by_name]
        )
        marks = marks_of((statuses[other.name], other.allow_failure) for other in waits_for)
        previous = composite(marks) if job.needs is None else composite_of_needs(marks)
        if previous not in COMPLETED:
            continue
        if not starts_after(job.when, job.needs is not None, previous):
            statuses[job.name] = Status.SKIPPED
        elif job.name in at_once:
            statuses[job.name] = Status.PENDING
        elif job.when is When.DELAYED:
            statuses[job.name] = Status.SCHEDULED
        elif job.when is When.MANUAL:
            statuses[job.name] = Status.MANUAL
        else:
            statuses[job.name] = Status.PENDING


@settings(max_examples=150, deadline=None)
@given(pipelines(), st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 7)), max_size=12))
def test_agrees_with_looking_at_everything(
    jobs: list[StatusJob], moves: list[tuple[Action, int]]
) -> None:
    board = Board(STAGES, jobs)
    retried: set[str] = set()
    for action, number in moves:
        before = board.statuses()
        if not jobs:
            break
        name = jobs[number % len(jobs)].name
        changed = board.apply(action, [name])
        if action in (Action.PLAY, Action.RETRY) and before[name] in RETRYABLE:
            retried.add(name)
        after = board.statuses()
        assert {other for other in after if after[other] is not before[other]} == set(changed)
        # The same state reached from scratch: nothing that can be decided is left undecided.
        again = dict(after)
        settle_plainly(jobs, again, frozenset(retried))
        assert again == after
        if action in (Action.SUCCESS, Action.DROP, Action.CANCEL):
            expected = {**before, name: after[name]}
            settle_plainly(jobs, expected, frozenset(retried))
            assert expected == after
        assert composite(marks_of((after[j.name], j.allow_failure) for j in jobs)) in (
            board.pipeline,
            Status.CREATED,
            Status.PENDING,
        )


@settings(max_examples=150, deadline=None)
@given(pipelines(), st.randoms(use_true_random=False))
def test_ends_and_does_so_in_any_order_of_finishing(jobs: list[StatusJob], random: Random) -> None:
    ends = []
    for pick in (min, max, random.choice):
        board = Board(STAGES, jobs)
        for _ in range(2 * len(jobs) + 1):
            open_ = [
                name
                for name, status in board.statuses().items()
                if status in (Status.PENDING, Status.SCHEDULED)
            ]
            if not open_:
                break
            name = pick(open_)
            board.apply(Action.ENQUEUE, [name])
            board.apply(Action.DROP if name in ("j1", "j4") else Action.SUCCESS, [name])
        assert not {Status.PENDING, Status.RUNNING, Status.SCHEDULED} & set(
            board.statuses().values()
        )
        ends.append((board.pipeline, board.statuses(), board.stages()))
        if Status.MANUAL not in board.statuses().values():
            assert board.pipeline in COMPLETED
    assert ends[0] == ends[1] == ends[2]


def test_work_grows_with_jobs_and_needs_only() -> None:
    def work(count: int) -> int:
        """How often a board of `count` jobs in a chain hands a change on."""
        jobs = [
            StatusJob(name=str(n), stage="a", needs=(str(n - 1),) if n else ())
            for n in range(count)
        ]
        board = Board(STAGES, jobs)
        changes = 0
        for n in range(count):
            changes += len(board.apply(Action.RUN, [str(n)]))
            changes += len(board.apply(Action.SUCCESS, [str(n)]))
        assert board.pipeline is Status.SUCCESS
        return changes

    assert work(2000) < 2.1 * work(1000)
