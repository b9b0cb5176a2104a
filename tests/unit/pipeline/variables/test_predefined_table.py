"""Every documented predefined variable, set and unset as the table says, for every source."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from homeport.pipeline.config.compose import compose
from homeport.pipeline.evaluate.evaluate import evaluate
from homeport.pipeline.facts.wanted import KINDS
from homeport.pipeline.model.trigger import Commit, MergeRequest, Project, Trigger, Unresolved
from homeport.pipeline.variables.predefined import (
    job_variables,
    pipeline_variables,
    seed_variables,
)

TABLE: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "predefined.yml").read_text())
NEVER = set(TABLE["never"])
BASE = Trigger(
    root="/r",
    branch="topic",
    commit=Commit(
        sha="a" * 40, title="t", message="t", description="", timestamp="2026-01-01", author="A <a>"
    ),
    project=Project(host="gitlab.com", path="g/p"),
    user_name="Ann",
    user_email="ann@example.com",
    created_at="2026-01-01T00:00:00Z",
)
REQUEST = MergeRequest(
    target_branch="main",
    title="t",
    base_sha="b" * 40,
    labels=("x",),
    assignees=("ann",),
    milestone="1.0",
)


class NoFacts:
    def changed_files(self, _compare_to: str | None) -> Unresolved:
        return Unresolved("not asked")

    def files(self, _project: str | None, _ref: str | None) -> Unresolved:
        return Unresolved("not asked")


def trigger_of(kind: str) -> Trigger:
    changes: dict[str, Any] = {"source": KINDS[kind]}
    if kind == "tag":
        changes |= {"branch": None, "tag": "v1"}
    if kind == "merge-request":
        changes["merge_request"] = REQUEST
    return structs.replace(BASE, **changes)


def names_of(phase: str, kind: str) -> set[str]:
    return {
        name
        for kinds, names in TABLE[phase].items()
        if kinds == "all" or kind in kinds.split()
        for name in names
    }


def all_names() -> set[str]:
    listed = [
        name
        for phase in ("include", "rules", "job")
        for names in TABLE[phase].values()
        for name in names
    ]
    assert len(listed) == len(set(listed))
    return set(listed) | NEVER


def names_in_rules(trigger: Trigger) -> set[str]:
    """The names that a job's own rules find set, asked by one job a name."""
    content: dict[str, Any] = {
        name: {
            "script": "x",
            "environment": "production",
            "parallel": 2,
            "when": "manual",
            "rules": [{"if": f"${name} != null"}],
        }
        for name in all_names()
    }
    content["always"] = {"script": "x", "rules": [{"when": "always"}]}
    config = compose(content)
    assert [problem for problem in config.problems if problem.severity == "error"] == []
    pipeline = evaluate(config, trigger, NoFacts())
    return {job.group for job in pipeline.jobs} - {"always"}


@pytest.mark.parametrize("kind", KINDS)
def test_before_the_pipeline(kind: str) -> None:
    assert set(pipeline_variables(trigger_of(kind))) == names_of("include", kind)


@pytest.mark.parametrize("kind", KINDS)
def test_in_rules(kind: str) -> None:
    wanted = names_of("include", kind) | names_of("rules", kind)
    assert names_in_rules(trigger_of(kind)) == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_in_jobs(kind: str) -> None:
    trigger = trigger_of(kind)
    given: dict[str, Any] = {
        "name": "a 1/2",
        "stage": "test",
        "job_id": 1,
        "project_dir": "/b/p",
        "builds_dir": "/b",
        "timeout": 1,
        "manual": True,
        "node_index": 1,
        "node_total": 2,
        "environment_name": "e",
        "environment_url": "u",
        "started_at": "2026-01-01T00:00:00Z",
        "architecture": "linux/amd64",
    }
    found = {
        *pipeline_variables(trigger, pipeline_name="n"),
        *seed_variables(trigger),
        *job_variables(trigger, **given),
        *job_variables(trigger, **given, image="alpine"),
    }
    wanted = {name for phase in ("include", "rules", "job") for name in names_of(phase, kind)}
    assert found == wanted


def test_a_branch_with_an_open_merge_request() -> None:
    found = pipeline_variables(structs.replace(BASE, open_merge_request=7))
    assert found["CI_OPEN_MERGE_REQUESTS"] == "g/p!7"
    assert not any(name.startswith("CI_MERGE_REQUEST_") for name in found)


def test_the_merge_request_s_values() -> None:
    found = pipeline_variables(trigger_of("merge-request"))
    assert {
        name.removeprefix("CI_"): value
        for name, value in found.items()
        if "MERGE_REQUEST" in name or name.startswith("CI_COMMIT_REF")
    } == {
        "COMMIT_REF_NAME": "topic",
        "COMMIT_REF_PROTECTED": "false",
        "COMMIT_REF_SLUG": "topic",
        "MERGE_REQUEST_ASSIGNEES": "ann",
        "MERGE_REQUEST_DESCRIPTION": "",
        "MERGE_REQUEST_DESCRIPTION_IS_TRUNCATED": "false",
        "MERGE_REQUEST_DIFF_BASE_SHA": "b" * 40,
        "MERGE_REQUEST_DIFF_ID": "1",
        "MERGE_REQUEST_DRAFT": "false",
        "MERGE_REQUEST_EVENT_TYPE": "detached",
        "MERGE_REQUEST_ID": "1",
        "MERGE_REQUEST_IID": "1",
        "MERGE_REQUEST_LABELS": "x",
        "MERGE_REQUEST_MILESTONE": "1.0",
        "MERGE_REQUEST_PROJECT_ID": "1",
        "MERGE_REQUEST_PROJECT_PATH": "g/p",
        "MERGE_REQUEST_PROJECT_URL": "https://gitlab.com/g/p",
        "MERGE_REQUEST_REF_PATH": "refs/merge-requests/1/head",
        "MERGE_REQUEST_SOURCE_BRANCH_NAME": "topic",
        "MERGE_REQUEST_SOURCE_BRANCH_PROTECTED": "false",
        "MERGE_REQUEST_SOURCE_BRANCH_SHA": "",
        "MERGE_REQUEST_SOURCE_PROJECT_ID": "1",
        "MERGE_REQUEST_SOURCE_PROJECT_PATH": "g/p",
        "MERGE_REQUEST_SOURCE_PROJECT_URL": "https://gitlab.com/g/p",
        "MERGE_REQUEST_SQUASH_ON_MERGE": "false",
        "MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "MERGE_REQUEST_TARGET_BRANCH_PROTECTED": "true",
        "MERGE_REQUEST_TARGET_BRANCH_SHA": "",
        "MERGE_REQUEST_TITLE": "t",
        "OPEN_MERGE_REQUESTS": "g/p!1",
    }


def test_a_long_description_is_cut() -> None:
    request = structs.replace(REQUEST, description="x" * 2701)
    found = pipeline_variables(structs.replace(BASE, merge_request=request))
    assert found["CI_MERGE_REQUEST_DESCRIPTION"] == "x" * 2697 + "..."
    assert found["CI_MERGE_REQUEST_DESCRIPTION_IS_TRUNCATED"] == "true"
