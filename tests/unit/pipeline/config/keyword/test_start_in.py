"""`start_in`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable

import pytest

JOBS = [
    ("{script: a, when: delayed, start_in: 30 minutes}", []),
    ("{script: a, when: delayed, start_in: 1 week}", []),
    (
        "{script: a, when: delayed, start_in: 8 days}",
        ["jobs:x start in should not exceed the limit"],
    ),
    (
        "{script: a, when: delayed, start_in: soon}",
        ["jobs:x start in should be a duration", "jobs:x start in should not exceed the limit"],
    ),
    (
        "{script: a, when: delayed}",
        ["jobs:x start in should be a duration", "jobs:x start in should not exceed the limit"],
    ),
    ("{script: a, start_in: 1 day}", ["jobs:x start in must be blank"]),
    (
        "{script: a, start_in: 1 day, rules: [{if: $A}]}",
        [
            "jobs:x config key may not be used with `rules`: start_in",
            "jobs:x start in must be blank",
        ],
    ),
    ("{trigger: a/b, start_in: 1 day}", ["jobs:x config contains unknown keys: start_in"]),
]


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors
