"""`resource_group`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("production", "production"),
    ("$CI_ENVIRONMENT_NAME", "$CI_ENVIRONMENT_NAME"),
    ("null", None),
]

REFUSED = [
    ("5", ["jobs:x resource group should be a string"]),
    ("[a]", ["jobs:x resource group should be a string"]),
]

JOBS = [
    ("{trigger: a/b, resource_group: c}", []),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("resource_group", value).resource_group == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("resource_group", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors
