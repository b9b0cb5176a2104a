"""`needs`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("[]", []),
    ("[a, b]", ["a", "b"]),
    ("[a, [b]]", ["a", "b"]),
    ("{job: a}", ["a"]),
    ("[{job: a, artifacts: false, optional: true}]", ["a"]),
    ("[{pipeline: $P, job: j}]", ["j"]),
    ("[{project: g/p, ref: main, job: k}]", ["k"]),
]

REFUSED = [
    ("a", ["jobs:x:needs config can only be a hash or an array"]),
    ("{}", ["jobs:x:needs config can not be an empty hash"]),
    ("[5]", ["jobs:x:needs:need has an unsupported type"]),
    ('[""]', ["jobs:x:needs:need config can't be blank"]),
    ("[{job: 5}]", ["jobs:x:needs:need job should be a string"]),
    ("[{job: a, artifacts: 5}]", ["jobs:x:needs:need artifacts should be a boolean value"]),
    ("[{job: a, optional: 5}]", ["jobs:x:needs:need optional should be a boolean value"]),
    ("[{job: a, stage: b}]", ["jobs:x:needs:need config contains unknown keys: stage"]),
    ("[{job: a, parallel: 5}]", ['jobs:x:needs config cannot use "parallel: <number>".']),
    (
        "[{job: a, parallel: {matrix: b}}]",
        ["jobs:x:needs:need:parallel:matrix config should be an array of hashes"],
    ),
    (
        "[{project: a, job: b}]",
        ["jobs:x:needs:need ref should be a string", "jobs:x:needs:need ref can't be blank"],
    ),
    ("[c]", ["x job: undefined need: c"]),
    ("[{job: c, optional: true}, d]", ["x job: undefined need: d"]),
    ("[a, a]", ["x has the following needs duplicated: a."]),
    ("[x]", ["The pipeline has circular dependencies: self-dependency: x"]),
]

JOBS = [
    ("{needs: {pipeline: g/p}}", []),
    (
        "{trigger: g/q, needs: [a, {pipeline: g/p}, {pipeline: g/q}]}",
        ["jobs:x config should contain at most one bridge need"],
    ),
]

FILES = [
    (
        "{a: {script: e, stage: deploy}, x: {script: e, needs: [a]}}",
        ["x job: need a is not defined in current or prior stages"],
    ),
    (
        "{a: {script: e, parallel: {matrix: [{A: [b, c]}]}}, x: {script: e, needs: [{job: a, parallel: {matrix: [{A: b}]}}]}}",
        [],
    ),
    (
        "{a: {script: e, parallel: {matrix: [{A: [b, c]}]}}, x: {script: e, needs: [{job: a, parallel: {matrix: [{A: d}]}}]}}",
        ["x job: undefined need: a: [d]"],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert [item.job for item in job_of("needs", value).needs or ()] == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("needs", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
