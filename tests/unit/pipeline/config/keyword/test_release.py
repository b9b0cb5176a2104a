"""`release`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("{tag_name: v1, description: d}", {"tag_name": "v1", "description": "d"}),
    ("null", None),
]

REFUSED = [
    ("a", ["jobs:x:release config should be a hash"]),
    (
        "{tag_name: v1}",
        [
            "jobs:x:release description should be a string",
            "jobs:x:release description can't be blank",
        ],
    ),
    (
        "{description: d}",
        ["jobs:x:release tag name should be a string", "jobs:x:release tag name can't be blank"],
    ),
    (
        "{tag_name: v1, description: d, title: t}",
        ["jobs:x:release config contains unknown keys: title"],
    ),
    (
        "{tag_name: v1, description: d, milestones: 5}",
        ["jobs:x:release milestones should be an array of strings or a string"],
    ),
    (
        "{tag_name: v1, description: d, released_at: soon}",
        ["jobs:x:release released at must be a valid datetime"],
    ),
    ('{tag_name: v1, description: d, ref: "a b"}', ["jobs:x:release ref must be a valid ref"]),
    (
        "{tag_name: v1, description: d, assets: {links: []}}",
        ["jobs:x:release:assets links can't be blank"],
    ),
    (
        "{tag_name: v1, description: d, assets: {links: [a]}}",
        ["jobs:x:release:assets links should be an array of hashes"],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("release", value).release == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("release", value) == errors
