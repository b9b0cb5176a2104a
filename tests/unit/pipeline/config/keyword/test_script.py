"""`script`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("echo", ("echo",)),
    ("[a, [b]]", ("a", "b")),
    ("[a, [[[[[[[[[b]]]]]]]]]]", ("a", "b")),
]

REFUSED = [
    (
        "[a, [[[[[[[[[[b]]]]]]]]]]]",
        [
            "jobs:x:script config should be a string or a nested array of strings up to 10 levels deep"
        ],
    ),
    (
        "[5]",
        [
            "jobs:x:script config should be a string or a nested array of strings up to 10 levels deep"
        ],
    ),
    (
        "[null]",
        [
            "jobs:x:script config should be a string or a nested array of strings up to 10 levels deep"
        ],
    ),
    ('""', ["jobs:x script can't be blank"]),
    ("[]", ["jobs:x script can't be blank"]),
    ("null", ["jobs:x script can't be blank"]),
]

JOBS = [
    (
        "{script: a, trigger: b/c}",
        [
            "jobs:x config these keys cannot be used together: script, trigger (mutually exclusive)",
            "jobs:x config contains unknown keys: trigger",
        ],
    ),
    (
        "{script: a, run: [{name: n, script: b}]}",
        ["jobs:x config these keys cannot be used together: script, run (mutually exclusive)"],
    ),
    ("{stage: test}", ["jobs x config should implement the script:, run:, or trigger: keyword"]),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("script", value).script == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("script", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors
