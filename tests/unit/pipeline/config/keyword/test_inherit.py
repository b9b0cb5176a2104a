"""`inherit`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("{variables: false}", False),
    ("{variables: [A]}", ("A",)),
    ("{default: false}", True),
    ("{default: [image, tags]}", True),
    ("null", True),
]

REFUSED = [
    ("a", ["jobs:x:inherit config should be a hash"]),
    ("{defaults: true}", ["jobs:x:inherit config contains unknown keys: defaults"]),
    ("{default: a}", ["jobs:x:inherit:default should be a bool or array of strings"]),
    ("{default: [imagee]}", ["jobs:x:inherit:default config contains unknown values: imagee"]),
    ("{variables: [1]}", ["jobs:x:inherit:variables config should be an array of strings"]),
    ("{variables: a}", ["jobs:x:inherit:variables should be a bool or array of strings"]),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("inherit", value).inherit_variables == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("inherit", value) == errors
