"""One status out of many."""

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.pipeline.model.event import Status
from homeport.pipeline.status.composite import (
    WARNED,
    composite,
    composite_of_needs,
    is_complete,
    marks_of,
)
from homeport.pipeline.status.transition import COMPLETED

ALL = tuple(product(Status, (False, True)))

# Each job is its status; a "?" marks one that may fail. Then the stage's status, then that of a
# job's needs with these statuses.
ROWS = [
    ("", "success", "success"),
    ("success", "success", "success"),
    ("failed", "failed", "failed"),
    ("failed?", "success", "success"),
    ("canceled?", "success", "success"),
    ("canceled", "canceled", "canceled"),
    ("skipped", "skipped", "skipped"),
    ("manual", "manual", "pending"),
    ("manual?", "skipped", "skipped"),
    ("scheduled", "scheduled", "pending"),
    ("waiting_for_resource", "waiting_for_resource", "pending"),
    ("created", "created", "pending"),
    ("pending", "pending", "pending"),
    ("running", "running", "pending"),
    ("success skipped", "success", "skipped"),
    ("success manual?", "success", "skipped"),
    ("success failed?", "success", "success"),
    ("success failed", "failed", "failed"),
    ("success canceled", "canceled", "canceled"),
    ("failed canceled", "failed", "failed"),
    ("failed skipped", "failed", "skipped"),
    ("failed manual", "manual", "pending"),
    ("failed manual?", "failed", "skipped"),
    ("failed created", "running", "pending"),
    ("success created", "running", "pending"),
    ("created failed?", "created", "pending"),
    ("created skipped", "pending", "skipped"),
    ("pending created", "pending", "pending"),
    ("pending created skipped failed?", "pending", "skipped"),
    ("pending success", "running", "pending"),
    ("pending manual?", "pending", "skipped"),
    ("running manual", "running", "pending"),
    ("waiting_for_resource manual", "waiting_for_resource", "pending"),
    ("manual scheduled", "manual", "pending"),
    ("scheduled created", "scheduled", "pending"),
]


@pytest.mark.parametrize(("jobs", "stage", "needs"), ROWS, ids=[row[0] or "none" for row in ROWS])
def test_table(jobs: str, stage: str, needs: str) -> None:
    marks = marks_of((Status(word.rstrip("?")), word.endswith("?")) for word in jobs.split())
    assert (composite(marks), composite_of_needs(marks)) == (stage, needs)


def test_every_set_of_three_is_defined_and_complete_exactly_if_its_status_is() -> None:
    for jobs in combinations(ALL, 3):
        marks = marks_of(jobs)
        assert is_complete(marks) == (composite(marks) in COMPLETED), jobs


@given(st.lists(st.sampled_from(ALL)))
def test_neither_order_nor_number_matters(jobs: list[tuple[Status, bool]]) -> None:
    assert marks_of(jobs) == marks_of([*reversed(jobs), *jobs])


@given(st.lists(st.tuples(st.sampled_from(sorted(COMPLETED)), st.booleans()), min_size=1))
def test_finished_jobs_make_a_finished_pipeline(jobs: list[tuple[Status, bool]]) -> None:
    marks = marks_of(jobs)
    assert composite(marks) in COMPLETED
    assert composite_of_needs(marks) in COMPLETED


@given(st.lists(st.sampled_from(ALL)))
def test_a_warning_is_a_failure_or_cancel_that_may_be(jobs: list[tuple[Status, bool]]) -> None:
    expected = any(may and status in ("failed", "canceled") for status, may in jobs)
    assert bool(marks_of(jobs) & WARNED) == expected
