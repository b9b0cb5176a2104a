"""`allow_failure`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import AllowFailure, Job

ACCEPTED = [
    ("true", AllowFailure(allowed=True)),
    ("false", AllowFailure(allowed=False)),
    ("null", None),
    ("{exit_codes: 3}", AllowFailure(allowed=False, exit_codes=(3,))),
    ("{exit_codes: [3, 4]}", AllowFailure(allowed=False, exit_codes=(3, 4))),
]

REFUSED = [
    ("yes please", ["jobs:x allow failure should be a hash or a boolean value"]),
    ("{exit_code: 3}", ["jobs:x:allow_failure config contains unknown keys: exit_code"]),
    (
        "{exit_codes: a}",
        ["jobs:x:allow_failure exit codes should be an array of integers or an integer"],
    ),
    (
        "{exit_codes: [1, b]}",
        ["jobs:x:allow_failure exit codes should be an array of integers or an integer"],
    ),
    (
        "{exit_codes: 1.5}",
        ["jobs:x:allow_failure exit codes should be an array of integers or an integer"],
    ),
]

JOBS = [
    ("{trigger: a/b, allow_failure: true}", []),
    (
        "{trigger: a/b, allow_failure: {exit_codes: 1}}",
        ["jobs:x allow failure should be a boolean value"],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("allow_failure", value).allow_failure == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("allow_failure", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors
