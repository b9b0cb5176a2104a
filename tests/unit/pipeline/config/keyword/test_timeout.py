"""`timeout`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("1h 30m", 5400),
    ("10 minutes", 600),
    ("1 month", 2592000),
    ("null", None),
]

REFUSED = [
    (
        "soon",
        [
            "jobs:x:timeout config should be a duration",
            "jobs:x:timeout config should not exceed the limit",
        ],
    ),
    (
        "5",
        [
            "jobs:x:timeout config should be a duration",
            "jobs:x:timeout config should not exceed the limit",
        ],
    ),
    ("2 months", ["jobs:x:timeout config should not exceed the limit"]),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("timeout", value).timeout == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("timeout", value) == errors
