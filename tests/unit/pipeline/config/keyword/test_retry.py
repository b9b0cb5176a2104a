"""`retry`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job, Retry

ACCEPTED = [
    ("0", Retry()),
    ("2", Retry(max=2)),
    ("{max: 1, when: script_failure}", Retry(max=1, when=("script_failure",))),
    (
        "{max: 1, when: [always], exit_codes: [3, 4]}",
        Retry(max=1, when=("always",), exit_codes=(3, 4)),
    ),
    ("null", Retry()),
]

REFUSED = [
    ("3", ["retry config must be less than or equal to 2"]),
    ("-1", ["retry config must be greater than or equal to 0"]),
    ("a", ["retry config has to be either an integer or a hash"]),
    ("{max: a}", ["retry max is not a number"]),
    ("{max: 3}", ["retry max must be less than or equal to 2"]),
    ("{when: sometimes}", ["retry when is not included in the list"]),
    ("{when: [sometimes]}", ["retry when contains unknown values: sometimes"]),
    ("{exit_codes: a}", ["retry exit codes should be an array of integers or an integer"]),
    ("{times: 1}", ["retry config contains unknown keys: times"]),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("retry", value).retry == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("retry", value) == errors
