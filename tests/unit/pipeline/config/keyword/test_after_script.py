"""`after_script`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("echo", ("echo",)),
    ("[a, [b, [c]]]", ("a", "b", "c")),
    ("[]", ()),
    ("null", ()),
]

REFUSED = [
    (
        "5",
        [
            "jobs:x:after_script config should be a string or a nested array of strings up to 10 levels deep"
        ],
    ),
    (
        "[1]",
        [
            "jobs:x:after_script config should be a string or a nested array of strings up to 10 levels deep"
        ],
    ),
    (
        "{a: b}",
        [
            "jobs:x:after_script config should be a string or a nested array of strings up to 10 levels deep"
        ],
    ),
]

JOBS = [
    (
        "{after_script: [a], run: [{name: n, script: echo}]}",
        [
            "jobs:x config these keys cannot be used together: after_script, run (mutually exclusive)"
        ],
    ),
]

FILES = [
    ("{after_script: [a], x: {script: b}}", []),
    (
        "{default: {after_script: 5}, x: {script: b}}",
        [
            "default:after_script config should be a string or a nested array of strings up to 10 levels deep"
        ],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("after_script", value).after_script == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("after_script", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
