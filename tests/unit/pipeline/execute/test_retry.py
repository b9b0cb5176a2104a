"""When a failed attempt is followed by another one."""

import pytest

from homeport.pipeline.execute.api import JobResult
from homeport.pipeline.execute.retry import should_retry
from homeport.pipeline.model.config import Retry
from homeport.pipeline.model.event import FailureReason, Status

SCRIPT = FailureReason.SCRIPT_FAILURE
SYSTEM = FailureReason.RUNNER_SYSTEM_FAILURE
TIMEOUT = FailureReason.JOB_EXECUTION_TIMEOUT

ROWS = [
    ("no retry", Retry(), SCRIPT, 1, 1, False),
    ("first of one", Retry(max=1), SCRIPT, 1, 1, True),
    ("second of one", Retry(max=1), SCRIPT, 1, 2, False),
    ("second of two", Retry(max=2), SCRIPT, 1, 2, True),
    ("always", Retry(max=1, when=("always",)), TIMEOUT, None, 1, True),
    ("reason given", Retry(max=1, when=("runner_system_failure",)), SYSTEM, None, 1, True),
    ("other reason", Retry(max=1, when=("runner_system_failure",)), SCRIPT, 1, 1, False),
    ("one of several", Retry(max=1, when=("api_failure", "script_failure")), SCRIPT, 1, 1, True),
    ("timeout is not stuck", Retry(max=1, when=("stuck_or_timeout_failure",)), TIMEOUT, None, 1,
     False),
    ("unknown", Retry(max=1, when=("unknown_failure",)), None, None, 1, True),
    ("exit code", Retry(max=1, exit_codes=(137,)), SCRIPT, 137, 1, True),
    ("other exit code", Retry(max=1, exit_codes=(137,)), SCRIPT, 1, 1, False),
    ("no exit code", Retry(max=1, exit_codes=(137,)), SYSTEM, None, 1, False),
    ("exit code or reason", Retry(max=1, when=("runner_system_failure",), exit_codes=(137,)),
     SYSTEM, None, 1, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("retry", "failure", "exit_code", "attempt", "expected"),
    [row[1:] for row in ROWS],
    ids=[row[0] for row in ROWS],
)
def test_table(
    retry: Retry,
    failure: FailureReason | None,
    exit_code: int | None,
    attempt: int,
    expected: bool,
) -> None:
    result = JobResult(status=Status.FAILED, failure=failure, exit_code=exit_code)
    assert should_retry(retry, result, attempt) is expected


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.CANCELED])
def test_only_failures_are_retried(status: Status) -> None:
    assert not should_retry(Retry(max=2), JobResult(status=status), 1)
