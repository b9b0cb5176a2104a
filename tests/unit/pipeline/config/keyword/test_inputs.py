"""`inputs`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    "{a: {default: b}}",
    "{a: {default: 1, type: number, description: d, options: [1, 2]}}",
    "{a: {default: [b], type: array}}",
    "{a: {default: ab, regex: ^a}}",
]

REFUSED = [
    ("a", ["jobs:x:inputs config should be a hash"]),
    ("{a: {type: string}}", ["jobs:x:inputs:a must have a default value"]),
    ("{a: {default: b, type: list}}", ["jobs:x:inputs:a input type unknown value: list"]),
    ("{a: {default: b, foo: c}}", ["jobs:x:inputs:a config contains unknown keys: foo"]),
    ("{a: {default: b, type: number}}", ["jobs:x inputs `a`: default value is not a number"]),
    (
        "{a: {default: b, options: [c]}}",
        ["jobs:x inputs `a`: `b` cannot be used because it is not in the list of allowed options"],
    ),
    (
        "{a: {default: b, regex: ^a}}",
        ["jobs:x inputs `a`: default value does not match required regex pattern"],
    ),
]


@pytest.mark.parametrize("value", ACCEPTED)
def test_accepted(value: str, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("inputs", value).name == "x"


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("inputs", value) == errors
