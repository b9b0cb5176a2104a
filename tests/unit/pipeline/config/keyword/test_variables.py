"""`variables`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    (
        "{A: b, B: 1, C: 1.5, D: true, E: null}",
        {"A": "b", "B": "1", "C": "1.5", "D": "true", "E": ""},
    ),
    ("{A: {value: b, expand: false}}", {"A": "b"}),
    ("{}", {}),
]

REFUSED = [
    ("a", ["jobs:x:variables config should be a hash"]),
    ("[a]", ["jobs:x:variables config should be a hash"]),
    ("{A: [b]}", ["variable definition must be either a string or a hash"]),
    ("{A: {value: [b]}}", ["jobs:x:variables:a value must be a scalar"]),
    ("{A: {value: b, expand: c}}", ["jobs:x:variables:a expand should be a boolean value"]),
    (
        "{A: {value: b, description: c}}",
        ["jobs:x:variables:a config uses invalid data keys: description"],
    ),
]

FILES = [
    (
        "{variables: {A: {value: b, description: c, options: [b, d], expand: true}}, x: {script: e}}",
        [],
    ),
    (
        "{variables: {A: {value: b, options: [c]}}, x: {script: e}}",
        ["variables:a config value must be present in options"],
    ),
    (
        "{variables: {A: {value: b, foo: c}}, x: {script: e}}",
        ["variables:a config uses invalid data keys: foo"],
    ),
    ("{variables: null, x: {script: e, variables: null}}", []),
    ("{variables: a, x: {script: e}}", ["variables config should be a hash"]),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert {
        key: item.value for key, item in job_of("variables", value).variables.items()
    } == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("variables", value) == errors


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
