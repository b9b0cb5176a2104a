"""`pages`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("true", True),
    ("false", False),
    (
        "{publish: a, path_prefix: b, expire_in: 1 day}",
        {"publish": "a", "path_prefix": "b", "expire_in": "1 day"},
    ),
    ("{expire_in: $E}", {"expire_in": "$E"}),
]

REFUSED = [
    ("a", ["jobs:x:pages config should be a hash or a boolean value"]),
    ("{folder: a}", ["jobs:x:pages config contains unknown keys: folder"]),
    ("{path_prefix: 5}", ["jobs:x:pages path prefix should be a string"]),
    ("{publish: 5}", ["jobs:x:pages publish should be a string"]),
    ("{expire_in: soon}", ["jobs:x:pages expire in should be a duration"]),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("pages", value).pages == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("pages", value) == errors
