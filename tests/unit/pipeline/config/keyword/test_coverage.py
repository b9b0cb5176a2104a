"""`coverage`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("/(\\d+)%/", r"(\d+)%"),
    ("null", None),
]

REFUSED = [
    ("80%", ["jobs:x:coverage config must be a regular expression with re2 syntax"]),
    ("/(/", ["jobs:x:coverage config must be a regular expression with re2 syntax"]),
    ("5", ["jobs:x:coverage config must be a regular expression with re2 syntax"]),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("coverage", value).coverage == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("coverage", value) == errors
