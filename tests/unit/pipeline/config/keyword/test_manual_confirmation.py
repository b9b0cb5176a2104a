"""`manual_confirmation`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("Really?", "Really?"),
    ("null", None),
]

REFUSED = [
    ("5", ["jobs:x manual confirmation should be a string"]),
]

JOBS = [
    (
        "{trigger: a/b, manual_confirmation: c}",
        ["jobs:x config contains unknown keys: manual_confirmation"],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("manual_confirmation", value).manual_confirmation == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("manual_confirmation", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors
