"""`tags`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("[a, $B]", ("a", "$B")),
    ("[]", ()),
    ("null", ()),
]

REFUSED = [
    ("a", ["jobs:x:tags config should be an array of strings"]),
    ("[1]", ["jobs:x:tags config should be an array of strings"]),
]

JOBS = [
    ("{trigger: a/b, tags: [c]}", ["jobs:x config contains unknown keys: tags"]),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("tags", value).tags == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("tags", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors
