"""GitLab's own cases: whole configurations through the whole validation."""

import json
from pathlib import Path
from typing import Any

import pytest

from homeport.errors import Severity, UsageError
from homeport.pipeline.config.compose import compose
from homeport.pipeline.config.extends import resolve_extends
from homeport.pipeline.document.load import load
from homeport.pipeline.document.reference import resolve_references
from homeport.pipeline.include.api import IncludeContext
from homeport.pipeline.include.expand import expand_includes
from homeport.pipeline.model.config import Config, CrossNeed, Job, Need, When

VECTORS = Path(__file__).parents[3] / "vectors" / "errors.jsonl"
CASES = [json.loads(line) for line in VECTORS.read_text().splitlines()]


class NoFiles:
    """A repository with nothing in it but the configuration."""

    def read(self, path: str) -> bytes | None:  # noqa: ARG002
        return None

    def paths(self) -> tuple[str, ...]:
        return ()


def validate(given: dict[str, Any]) -> tuple[Config | None, list[str], list[str]]:
    """The configuration, its errors and its warnings."""
    source = given["yaml"] if "yaml" in given else json.dumps(given["config"])
    try:
        document = load(source.encode(), ".gitlab-ci.yml")
        content = expand_includes(document, NoFiles(), IncludeContext()).content
        config = compose(resolve_references(resolve_extends(content)[0])[0])
    except UsageError as error:
        return None, [problem.message for problem in error.problems], []
    found = {severity: [] for severity in Severity}
    for problem in config.problems:
        found[problem.severity].append(problem.message)
    return config, found[Severity.ERROR], found[Severity.WARNING]


def attributes(job: Job) -> dict[str, Any]:
    """A job as GitLab's specifications describe it."""
    only = None if job.only is None else {"refs": list(job.only.refs or ())}
    allow = job.allow_failure
    manual = job.when is When.MANUAL
    criteria = {"exit_codes": list(allow.exit_codes)} if allow and allow.exit_codes else None
    environment = job.environment and {
        "name": job.environment.name,
        "action": job.environment.action,
    }
    return {
        "stage": job.stage,
        "script": list(job.script) or None,
        "before_script": list(job.before_script) or None,
        "only": only,
        "environment": environment,
        "allow_failure": manual if allow is None else allow.allowed,
        "allow_failure_criteria": criteria,
        "timeout_seconds": job.timeout,
        "needs": None if job.needs is None else [describe(need) for need in job.needs],
    }


def describe(need: Need | CrossNeed) -> dict[str, Any]:
    return {
        "name": need.job,
        "artifacts": need.artifacts,
        "optional": need.optional,
    }


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_gitlab_says(case: dict[str, Any]) -> None:
    expected = case["expected"]
    config, errors, warnings = validate(case["input"])
    if "valid" in expected:
        assert (not errors) is expected["valid"], errors
    if "error" in expected:
        assert errors[0] == expected["error"]
    if "error_contains" in expected:
        assert any(expected["error_contains"] in error for error in errors), errors
    if "errors" in expected:
        assert errors == expected["errors"]
    if "errors_any_order" in expected:
        assert sorted(errors) == sorted(expected["errors_any_order"])
    if "warning_contains" in expected:
        assert any(expected["warning_contains"] in warning for warning in warnings), warnings
    for name, wanted in expected.get("job", {}).items():
        assert config is not None
        if wanted is None:
            assert name not in config.jobs
        else:
            found = attributes(config.jobs[name])
            assert {key: found[key] for key in wanted} == wanted
