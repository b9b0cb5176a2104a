"""`hooks`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("{pre_get_sources_script: a}", ("a",)),
    ("{pre_get_sources_script: [a, [b]]}", ("a", "b")),
    ("{}", ()),
]

REFUSED = [
    ("a", ["jobs:x:hooks config should be a hash"]),
    ("{pre_script: a}", ["jobs:x:hooks config contains unknown keys: pre_script"]),
    (
        "{pre_get_sources_script: 5}",
        [
            "jobs:x:hooks:pre_get_sources_script config should be a string or a nested array of strings up to 10 levels deep"
        ],
    ),
]

FILES = [
    ("{default: {hooks: {pre_get_sources_script: a}}, x: {script: b}}", []),
    ("{default: {hooks: a}, x: {script: b}}", ["default:hooks config should be a hash"]),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("hooks", value).pre_get_sources_script == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("hooks", value) == errors


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
