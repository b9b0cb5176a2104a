"""Configurations with includes that could not be read: unknown is not wrong."""

from typing import Any

import pytest

from homeport.errors import Severity
from homeport.pipeline.config.compose import compose
from homeport.pipeline.model.config import MissingInclude

MISSING = (MissingInclude(kind="project", location="a.yml", project="g/p"),)
SCRIPT = {"script": "echo"}
STAGE = (
    "a job: chosen stage {} does not exist; available stages are .pre, build, test, deploy, .post"
)


@pytest.mark.parametrize(
    ("file", "unresolved"),
    [
        ({"x": {**SCRIPT, "stage": "unseen"}}, {"x": "its stage unseen is not among"}),
        ({"x": {**SCRIPT, "needs": ["y"]}}, {"x": "its need y is defined in no known file"}),
        (
            {"x": {**SCRIPT, "dependencies": ["y"]}},
            {"x": "its dependency y is defined in no known file"},
        ),
        ({"x": {**SCRIPT, "needs": [{"job": "y", "optional": True}]}}, {}),
        (
            {"x": {**SCRIPT, "rules": [{"if": "$A", "needs": ["y"]}]}},
            {"x": "its need y is defined in no known file"},
        ),
        ({"x": {"variables": {"A": "b"}}}, {"x": "it has no script, run or trigger"}),
        ({"x": {"needs": []}}, {"x": "it has no script, run or trigger"}),
        (
            {
                "a": {**SCRIPT, "needs": ["unseen"]},
                "b": {**SCRIPT, "needs": ["a"]},
                "c": {**SCRIPT, "dependencies": ["b"]},
                "d": SCRIPT,
            },
            {
                "a": "its need unseen is defined in no known file",
                "b": "it needs a, which is unresolved",
                "c": "it needs b, which is unresolved",
            },
        ),
        (
            {
                "a": {**SCRIPT, "needs": ["unseen"], "parallel": 2},
                "b": {**SCRIPT, "needs": ["a 1/2"]},
            },
            {
                "a": "its need unseen is defined in no known file",
                "b": "it needs a, which is unresolved",
            },
        ),
        (
            {"a": {**SCRIPT, "stage": "deploy"}, "b": {**SCRIPT, "needs": ["a"]}},
            {"b": "its need a is in a later stage, unless an unread file says otherwise"},
        ),
        ({"x": {**SCRIPT, "environment": {"name": "e", "on_stop": "unseen"}}}, {}),
        ({}, {}),
    ],
)
def test_unknown_names(file: dict[str, Any], unresolved: dict[str, str]) -> None:
    config = compose(file, missing=MISSING)
    assert [problem.code for problem in config.problems] == ["unseen-configuration"]
    assert config.problems[0].severity is Severity.NOTE
    found = {name: job.unresolved for name, job in config.jobs.items() if job.unresolved}
    assert list(found) == list(unresolved)
    for name, (reason,) in found.items():
        assert reason.startswith(unresolved[name])
    assert config.missing == MISSING


@pytest.mark.parametrize(
    ("file", "error"),
    [
        ({"x": {**SCRIPT, "bad": 1}}, "jobs:x config contains unknown keys: bad"),
        ({"x": 5}, "jobs x config should implement the script:, run:, or trigger: keyword"),
        (
            {
                "stages": ["a", "b"],
                "x": {**SCRIPT, "stage": "a", "needs": ["y"]},
                "y": {**SCRIPT, "stage": "b"},
            },
            "x job: need y is not defined in current or prior stages",
        ),
    ],
)
def test_faults_stay_faults(file: dict[str, Any], error: str) -> None:
    problems = compose(file, missing=MISSING).problems
    errors = [problem.message for problem in problems if problem.severity is Severity.ERROR]
    assert errors == [error]


def test_keys_left_out_become_unresolved_jobs() -> None:
    config = compose(
        {"b": {**SCRIPT, "needs": ["a"]}},
        unresolved={"a": ("extends `.unseen`",), ".hidden": ("extends `.unseen`",)},
        missing=MISSING,
    )
    assert {name: job.unresolved for name, job in config.jobs.items()} == {
        "b": ("it needs a, which is unresolved",),
        "a": ("extends `.unseen`",),
    }
    assert config.jobs["a"].stage == "test"


def test_without_missing_includes_all_of_it_is_wrong() -> None:
    file = {
        "a": {**SCRIPT, "stage": "unseen"},
        "b": {**SCRIPT, "needs": ["c"]},
        "d": {"variables": {}},
    }
    assert [problem.message for problem in compose(file).problems] == [
        "jobs d config should implement the script:, run:, or trigger: keyword",
        STAGE.format("unseen"),
        "b job: undefined need: c",
    ]
