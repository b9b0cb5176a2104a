"""`id_tokens`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("{T: {aud: https://a}}", {"T": {"aud": "https://a"}}),
    ("{T: {aud: [a, b]}}", {"T": {"aud": ["a", "b"]}}),
]

REFUSED = [
    ("a", ["jobs:x:id_tokens config should be a hash"]),
    (
        "{T: {}}",
        [
            "jobs:x:id_tokens:t config missing required keys: aud",
            "jobs:x:id_tokens:t aud should be an array of strings or a string",
        ],
    ),
    ("{T: {aud: 5}}", ["jobs:x:id_tokens:t aud should be an array of strings or a string"]),
    ("{T: {aud: a, sub: b}}", ["jobs:x:id_tokens:t config contains unknown keys: sub"]),
]

FILES = [
    ("{default: {id_tokens: {T: {aud: a}}}, x: {script: b}}", []),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("id_tokens", value).id_tokens == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("id_tokens", value) == errors


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
