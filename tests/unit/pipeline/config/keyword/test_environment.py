"""`environment`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Environment, Job

ACCEPTED = [
    ("review/$CI_COMMIT_REF_SLUG", Environment(name="review/$CI_COMMIT_REF_SLUG")),
    (
        "{name: a, url: http://b, action: prepare, deployment_tier: testing, auto_stop_in: 1 day}",
        Environment(
            name="a",
            url="http://b",
            action="prepare",
            deployment_tier="testing",
            auto_stop_in="1 day",
        ),
    ),
    ("{name: a, kubernetes: {namespace: n}}", Environment(name="a", kubernetes={"namespace": "n"})),
    (
        '{name: a, kubernetes: {agent: "p:g", dashboard: {namespace: n}}}',
        Environment(name="a", kubernetes={"agent": "p:g", "dashboard": {"namespace": "n"}}),
    ),
    ("null", None),
]

REFUSED = [
    ("[a]", ["jobs:x:environment config should be a hash or a string"]),
    (
        "a!",
        [
            "jobs:x:environment name can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', and spaces, but it cannot start or end with '/'"
        ],
    ),
    (
        "{url: a}",
        [
            "jobs:x:environment name can't be blank",
            "jobs:x:environment name can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', and spaces, but it cannot start or end with '/'",
        ],
    ),
    ("{name: a, urll: b}", ["jobs:x:environment config contains unknown keys: urll"]),
    ("{name: a, url: 5}", ["jobs:x:environment url should be a string"]),
    (
        "{name: a, action: begin}",
        ["jobs:x:environment action should be start, stop, prepare, verify, or access"],
    ),
    ("{name: a, deployment_tier: 5}", ["jobs:x:environment deployment tier should be a string"]),
    ("{name: a, auto_stop_in: 5}", ["jobs:x:environment auto stop in should be a string"]),
    ("{name: a, on_stop: 5}", ["jobs:x:environment on stop should be a string"]),
    ("{name: a, kubernetes: b}", ["jobs:x:environment kubernetes should be a hash"]),
    (
        "{name: a, kubernetes: {cluster: b}}",
        ["jobs:x:environment:kubernetes config contains unknown keys: cluster"],
    ),
    ("{name: a, on_stop: c}", ["x job: on_stop job c is not defined"]),
    ("{name: a, on_stop: b}", ["x job: on_stop job b does not have environment defined"]),
]

FILES = [
    (
        "{y: {script: e, environment: b}, x: {script: e, environment: {name: a, on_stop: y}}}",
        ["x job: on_stop job y have different environment name"],
    ),
    (
        "{y: {script: e, environment: a}, x: {script: e, environment: {name: a, on_stop: y}}}",
        ["x job: on_stop job y needs to have action stop defined"],
    ),
    (
        "{y: {script: e, environment: {name: a, action: stop}}, x: {script: e, environment: {name: a, on_stop: y}}}",
        [],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("environment", value).environment == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("environment", value) == errors


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
