"""The table of keywords: which file reads each of them, for jobs and for trigger jobs.

In: nothing. Out: `parser_of`, used by `job.py` and `defaults.py`. A keyword's file is imported when
a configuration first uses it: most use few, and start-up time is a feature.
"""

from functools import cache
from importlib import import_module
from typing import Any, Final

from homeport.pipeline.config.entry import Parser

_PARSERS: Final = {
    "resource_group": ("resource_group", "parse_resource_group"),
    "dependencies": ("dependencies", "parse_dependencies"),
    "run": ("run", "parse_run"),
    "stage": ("stage", "parse_stage"),
    "only": ("only_except", "parse_only"),
    "except": ("only_except", "parse_except"),
    "rules": ("rules", "parse_job_rules"),
    "variables": ("variables", "parse_job_variables"),
    "inherit": ("inherit", "parse_inherit"),
    "environment": ("environment", "parse_environment"),
    "interruptible": ("flags", "parse_boolean"),
    "before_script": ("script", "parse_commands"),
    "script": ("script", "parse_commands"),
    "after_script": ("script", "parse_commands"),
    "hooks": ("hooks", "parse_hooks"),
    "cache": ("cache", "parse_caches"),
    "image": ("image", "parse_image"),
    "services": ("services", "parse_services"),
    "timeout": ("timeout", "parse_timeout"),
    "retry": ("retry", "parse_retry"),
    "tags": ("tags", "parse_tags"),
    "artifacts": ("artifacts", "parse_artifacts"),
    "needs": ("needs", "parse_job_needs"),
    "coverage": ("coverage", "parse_coverage"),
    "release": ("release", "parse_release"),
    "parallel": ("parallel", "parse_parallel"),
    "allow_failure": ("allow_failure", "parse_allow_failure"),
    "id_tokens": ("id_tokens", "parse_id_tokens"),
    "publish": ("publish", "parse_publish"),
    "pages": ("pages", "parse_pages"),
    "inputs": ("inputs", "parse_inputs"),
    "dast_configuration": ("dast_configuration", "parse_dast_configuration"),
    "identity": ("identity", "parse_identity"),
    "secrets": ("secrets", "parse_secrets"),
    "trigger": ("trigger", "parse_trigger"),
    "bridge needs": ("needs", "parse_bridge_needs"),
    "bridge parallel": ("parallel", "parse_bridge_parallel"),
    "bridge allow_failure": ("allow_failure", "parse_bridge_allow_failure"),
    "global variables": ("variables", "parse_global_variables"),
    "stages": ("stages", "parse_stages"),
    "workflow": ("workflow", "parse_workflow"),
}

JOB_ORDER: Final = (
    "resource_group", "dependencies", "run", "stage", "only", "except", "rules", "variables",
    "environment", "interruptible", "before_script", "script", "after_script", "hooks", "cache",
    "image", "services", "timeout", "retry", "tags", "artifacts", "needs", "coverage", "release",
    "parallel", "allow_failure", "id_tokens", "publish", "pages", "inputs", "dast_configuration",
    "identity", "secrets",
)  # fmt: skip
"""A job's keywords in the order of GitLab's entries, which is the order of its messages."""

BRIDGE_ORDER: Final = (
    "resource_group", "stage", "only", "except", "rules", "variables", "environment",
    "interruptible", "trigger", "needs", "parallel", "allow_failure",
)  # fmt: skip
"""The same for a job with `trigger`."""

_SHARED = ("extends", "inherit", "when")
JOB_KEYS: Final = frozenset((*JOB_ORDER, *_SHARED, "start_in", "manual_confirmation"))
BRIDGE_KEYS: Final = frozenset((*BRIDGE_ORDER, *_SHARED))


@cache
def parser_of(keyword: str) -> Parser[Any]:
    """The function that reads `keyword`; the same one each time."""
    module, function = _PARSERS[keyword]
    found = import_module(f"homeport.pipeline.config.keyword.{module}")
    parser: Parser[Any] = getattr(found, function)
    return parser
