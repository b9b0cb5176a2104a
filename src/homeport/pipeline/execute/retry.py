"""Whether a failed attempt of a job is followed by another one.

Source: GitLab, lib/gitlab/ci/build/auto_retry.rb; "retry", "retry:when" and "retry:exit_codes" in
the CI/CD YAML syntax reference.
"""

from homeport.pipeline.execute.api import JobResult
from homeport.pipeline.model.config import Retry
from homeport.pipeline.model.event import FailureReason, Status


def should_retry(retry: Retry, result: JobResult, attempt: int) -> bool:
    """`attempt` counts from 1 and is the one that ended with `result`.

    Without `when` every failure counts, unless exit codes are given: then only those do.
    """
    if result.status is not Status.FAILED or attempt > retry.max:
        return False
    when = retry.when or (() if retry.exit_codes else ("always",))
    reason = result.failure or FailureReason.UNKNOWN_FAILURE
    return "always" in when or reason in when or result.exit_code in retry.exit_codes
