"""`stage`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("build", "build"),
    (".pre", ".pre"),
    ("null", "test"),
]

REFUSED = [
    ("[a]", ["jobs:x:stage config should be a string"]),
    ("5", ["jobs:x:stage config should be a string"]),
    (
        "buidl",
        [
            "x job: chosen stage buidl does not exist; available stages are .pre, build, test, deploy, .post"
        ],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("stage", value).stage == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("stage", value) == errors
