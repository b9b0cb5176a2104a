"""`run`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable

import pytest

JOBS = [
    ("{run: [{name: a, script: echo}]}", []),
    ("{run: [{name: a, step: ./s, inputs: {b: 1}, env: {C: d}}]}", []),
    ("{run: [{name: a, step: {git: {url: u, rev: r}}}]}", []),
    ("{run: a}", ["jobs:x run value at root is not an array"]),
    ("{run: [{name: a}]}", ["jobs:x run value at /0 should use only one of: step, func, script"]),
    (
        "{run: [{name: a, script: b, step: c}]}",
        ["jobs:x run value at /0 should use only one of: step, func, script"],
    ),
    ("{run: [{script: b}]}", ["jobs:x run object at `/0` is missing required properties: name"]),
    (
        "{run: [{name: a, script: b, env: {C: 5}}]}",
        ["jobs:x run value at `/0/env/c` is not a string"],
    ),
]


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors
