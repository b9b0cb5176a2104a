"""`before_script`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("echo", ("echo",)),
    ("[a, [b]]", ("a", "b")),
    ("[]", ()),
    ("null", ()),
]

REFUSED = [
    (
        "true",
        [
            "jobs:x:before_script config should be a string or a nested array of strings up to 10 levels deep"
        ],
    ),
    (
        "[[a, 1]]",
        [
            "jobs:x:before_script config should be a string or a nested array of strings up to 10 levels deep"
        ],
    ),
]

JOBS = [
    (
        "{before_script: [a], run: [{name: n, script: echo}]}",
        [
            "jobs:x config these keys cannot be used together: before_script, run (mutually exclusive)"
        ],
    ),
]

FILES = [
    (
        "{before_script: 5, x: {script: b}}",
        [
            "before_script config should be a string or a nested array of strings up to 10 levels deep"
        ],
    ),
    (
        "{before_script: a, default: {before_script: b}, x: {script: b}}",
        ["before_script is defined in top-level and `default:` entry"],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("before_script", value).before_script == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("before_script", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
