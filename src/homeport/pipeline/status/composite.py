"""One status out of many: what a stage, a pipeline or a job's needs amount to.

Source: GitLab, lib/gitlab/ci/status/composite.rb. A set of statuses is an `int` of marks, one bit
for each status and one each for "failed or canceled, but allowed to" and "manual, but optional":
how often a status occurs never matters, so a set is all there is to look at.
"""

from collections.abc import Iterable

from homeport.pipeline.model.event import Status

_MARK = {status: 1 << place for place, status in enumerate(Status)}
WARNED = 1 << len(_MARK)
IGNORED = WARNED << 1

_FINE = _MARK[Status.SUCCESS] | _MARK[Status.SKIPPED] | WARNED | IGNORED
_COMPLETE = _FINE | _MARK[Status.FAILED] | _MARK[Status.CANCELED]
_NOT_RUN = _MARK[Status.SKIPPED] | IGNORED

# Order matters: the first row whose marks are the only ones present wins.
_ONLY = (
    (_NOT_RUN, Status.SKIPPED),
    (_FINE, Status.SUCCESS),
    (_MARK[Status.CREATED] | WARNED | IGNORED, Status.CREATED),
    (_MARK[Status.CANCELED] | _FINE, Status.CANCELED),
    (
        _MARK[Status.PENDING] | _MARK[Status.CREATED] | _NOT_RUN | WARNED,
        Status.PENDING,
    ),
)
# Then the first row of which any mark is present.
_ANY = (
    (_MARK[Status.RUNNING] | _MARK[Status.PENDING], Status.RUNNING),
    (_MARK[Status.WAITING_FOR_RESOURCE], Status.WAITING_FOR_RESOURCE),
    (_MARK[Status.MANUAL], Status.MANUAL),
    (_MARK[Status.SCHEDULED], Status.SCHEDULED),
    (_MARK[Status.CREATED], Status.RUNNING),
)


def mark_of(status: Status, allow_failure: bool) -> int:
    """The mark of one job."""
    if allow_failure:
        if status is Status.FAILED or status is Status.CANCELED:
            return WARNED
        if status is Status.MANUAL:
            return IGNORED
    return _MARK[status]


def marks_of(jobs: Iterable[tuple[Status, bool]]) -> int:
    """The marks of many jobs, each its status and whether it may fail."""
    marks = 0
    for status, allow_failure in jobs:
        marks |= mark_of(status, allow_failure)
    return marks


def composite(marks: int) -> Status:
    """The status of a stage or a pipeline; no jobs at all are a success."""
    if marks == 0:
        return Status.SUCCESS
    for only, status in _ONLY:
        if not marks & ~only:
            return status
    for some, status in _ANY:
        if marks & some:
            return status
    return Status.FAILED


def composite_of_needs(marks: int) -> Status:
    """The status of a job's `needs`: skipped as soon as one of them does not run at all, pending
    while one of them is not complete."""
    if marks & _NOT_RUN:
        return Status.SKIPPED
    if marks & ~_COMPLETE:
        return Status.PENDING
    return composite(marks)


def is_complete(marks: int) -> bool:
    """Whether nothing in the set can still change by itself; an optional manual job counts."""
    return not marks & ~_COMPLETE
