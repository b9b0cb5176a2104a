"""`interruptible`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("true", True),
    ("false", False),
    ("null", None),
]

REFUSED = [
    ("maybe", ["jobs:x:interruptible config should be a boolean value"]),
    ("1", ["jobs:x:interruptible config should be a boolean value"]),
]

JOBS = [
    ("{trigger: a/b, interruptible: true}", []),
]

FILES = [
    (
        "{default: {interruptible: 5}, x: {script: a}}",
        ["default:interruptible config should be a boolean value"],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("interruptible", value).interruptible == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("interruptible", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
