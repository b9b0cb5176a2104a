"""`when`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job, When

ACCEPTED = [
    ("on_success", When.ON_SUCCESS),
    ("on_failure", When.ON_FAILURE),
    ("always", When.ALWAYS),
    ("manual", When.MANUAL),
    ("null", None),
]

REFUSED = [
    ("never", ["jobs:x when should be one of: on_success, on_failure, always, manual, delayed"]),
    ("5", ["jobs:x when should be one of: on_success, on_failure, always, manual, delayed"]),
]

JOBS = [
    ("{trigger: a/b, when: manual}", []),
    (
        "{trigger: a/b, when: delayed}",
        ["jobs:x when should be one of: on_success, on_failure, always, manual"],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("when", value).when == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("when", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors
