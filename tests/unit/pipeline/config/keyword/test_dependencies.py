"""`dependencies`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("[a]", ("a",)),
    ("[]", ()),
    ("null", None),
]

REFUSED = [
    ("a", ["jobs:x dependencies should be an array of strings"]),
    ("[1]", ["jobs:x dependencies should be an array of strings"]),
    ("[c]", ["x job: undefined dependency: c"]),
]

JOBS = [
    ("{script: e, needs: [a], dependencies: [a]}", []),
    (
        "{script: e, needs: [a], dependencies: [b]}",
        ["jobs:x dependencies the b should be part of needs"],
    ),
]

FILES = [
    (
        "{a: {script: e, stage: deploy}, x: {script: e, dependencies: [a]}}",
        ["x job: dependency a is not defined in current or prior stages"],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("dependencies", value).dependencies == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("dependencies", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
