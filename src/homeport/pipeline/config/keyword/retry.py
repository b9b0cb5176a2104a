"""`retry`: a number of further tries, or a mapping that says when to try again.

GitLab reports its faults at `retry`, without the job. Source: GitLab's CI/CD YAML reference,
`retry`, `retry:when`, `retry:exit_codes`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.shapes import is_integer
from homeport.pipeline.config.status import YES, Keyword
from homeport.pipeline.model.config import Retry

STATUS = Keyword(
    name="retry",
    run=YES,
    parts=(
        Keyword(name="max", run=YES, cases=("retry",)),
        Keyword(name="when", run=YES),
        Keyword(name="exit_codes", run=YES),
    ),
    cases=("retry",),
)

MAX_RETRIES = 2
REASONS = (
    "unknown_failure", "script_failure", "api_failure", "stuck_or_timeout_failure",
    "runner_system_failure", "missing_dependency_failure", "runner_unsupported", "stale_schedule",
    "job_execution_timeout", "archived_failure", "unmet_prerequisites", "scheduler_failure",
    "data_integrity_failure", "forward_deployment_failure", "user_blocked", "project_deleted",
    "ci_quota_exceeded", "pipeline_loop_detected", "no_matching_runner", "trace_size_exceeded",
    "builds_disabled", "environment_creation_failure", "deployment_rejected",
    "failed_outdated_deployment_job", "job_execution_server_timeout",
    "protected_environment_failure", "insufficient_bridge_permissions",
    "downstream_bridge_project_not_found", "invalid_bridge_trigger",
    "upstream_bridge_project_not_found", "insufficient_upstream_permissions",
    "bridge_pipeline_is_child_pipeline", "downstream_pipeline_creation_failed",
    "secrets_provider_not_found", "reached_max_descendant_pipelines_depth",
    "ip_restriction_failure", "reached_max_pipeline_hierarchy_size",
    "reached_downstream_pipeline_trigger_rate_limit", "duo_workflow_not_allowed",
    "job_router_failure", "job_token_expired", "always",
)  # fmt: skip


def parse_retry(value: Any, entry: Entry) -> Retry | None:
    if is_integer(value):
        fault = _limits(value)
        if fault:
            entry.bare(f"retry config {fault}", "limit")
        return Retry(max=min(max(value, 0), MAX_RETRIES))
    if not isinstance(value, dict):
        entry.bare("retry config has to be either an integer or a hash", "wrong-type")
        return None
    return _mapping(value, _Retries(entry))


class _Retries:
    """Says an entry's complaints at `retry` instead of at the job's keyword."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def say(self, text: str, code: str) -> None:
        self._entry.bare(f"retry {text}", code)


def _mapping(value: Any, place: _Retries) -> Retry:
    unknown = [str(key) for key in value if key not in ("max", "when", "exit_codes")]
    if unknown:
        place.say(f"config contains unknown keys: {', '.join(unknown)}", "unknown-key")
    maximum = value.get("max")
    if maximum is not None:
        fault = _limits(maximum)
        if fault:
            place.say(f"max {fault}", "limit")
            maximum = None
    return Retry(
        max=maximum or 0,
        when=_when(value.get("when"), place),
        exit_codes=_exit_codes(value.get("exit_codes"), place),
    )


def _when(value: Any, place: _Retries) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        if value not in REASONS:
            place.say("when is not included in the list", "not-allowed")
        return (str(value),)
    if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        place.say("when should be an array of strings or a string", "wrong-type")
        return ()
    unknown = [item for item in value if item not in REASONS]
    if unknown:
        place.say(f"when contains unknown values: {', '.join(unknown)}", "not-allowed")
    return tuple(value)


def _exit_codes(value: Any, place: _Retries) -> tuple[int, ...]:
    if value is None:
        return ()
    if is_integer(value):
        return (value,)
    if isinstance(value, list) and all(map(is_integer, value)):
        return tuple(value)
    place.say("exit codes should be an array of integers or an integer", "wrong-type")
    return ()


def _limits(value: Any) -> str | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "is not a number"
    if not is_integer(value):
        return "must be an integer"
    if value < 0:
        return "must be greater than or equal to 0"
    if value > MAX_RETRIES:
        return f"must be less than or equal to {MAX_RETRIES}"
    return None
