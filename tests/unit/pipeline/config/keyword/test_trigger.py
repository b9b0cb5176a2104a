"""`trigger`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable

import pytest

JOBS = [
    ("{trigger: g/p}", []),
    (
        "{trigger: {project: g/p, branch: b, strategy: depend, forward: {yaml_variables: false, pipeline_variables: true}, inputs: {a: b}}}",
        [],
    ),
    ("{trigger: {include: a.yml, strategy: mirror}}", []),
    ("{trigger: {include: [{local: a}, {project: g/p, file: f}, {artifact: f, job: a}]}}", []),
    ('{trigger: ""}', ["jobs:x:trigger config can't be blank"]),
    ("{trigger: 5}", ["jobs:x:trigger has to be either a string or a hash"]),
    (
        "{trigger: {}}",
        [
            "jobs:x:trigger config can't be blank",
            "jobs:x:trigger project should be a string",
            "jobs:x:trigger project can't be blank",
        ],
    ),
    ("{trigger: {project: g/p, ref: a}}", ["jobs:x:trigger config contains unknown keys: ref"]),
    (
        "{trigger: {project: g/p, strategy: wait}}",
        ["jobs:x:trigger strategy should be depend or mirror"],
    ),
    (
        "{trigger: {project: g/p, forward: {all: true}}}",
        ["jobs:x:trigger:forward config contains unknown keys: all"],
    ),
    (
        "{trigger: {project: g/p, forward: {yaml_variables: 5}}}",
        ["jobs:x:trigger:forward yaml variables should be a boolean value"],
    ),
    ("{trigger: {project: g/p, branch: 5}}", ["jobs:x:trigger branch should be a string"]),
    (
        "{trigger: {include: [a, b, c, d]}}",
        ["jobs:x:trigger:include config is too long (maximum is 3)"],
    ),
    (
        "{trigger: {include: [{project: g/p}]}}",
        [
            "jobs:x:trigger:include:include config must specify the file where to fetch the config from"
        ],
    ),
    (
        "{trigger: g/p, script: a}",
        [
            "jobs:x config these keys cannot be used together: trigger, script (mutually exclusive)",
            "jobs:x config contains unknown keys: trigger",
        ],
    ),
    ("{trigger: null}", ["jobs:x config should contain either a trigger or a needs:pipeline"]),
]


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors
