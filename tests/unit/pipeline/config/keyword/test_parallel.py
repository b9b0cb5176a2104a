"""`parallel`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job, Parallel

ACCEPTED = [
    ("1", Parallel(total=1)),
    ("200", Parallel(total=200)),
    ("{matrix: [{A: [b, 1], C: d}]}", Parallel(matrix=({"A": ("b", "1"), "C": ("d",)},))),
    ("null", None),
]

REFUSED = [
    ("0", ["jobs:x:parallel config must be greater than or equal to 1"]),
    ("201", ["jobs:x:parallel config must be less than or equal to 200"]),
    ("1.5", ["jobs:x:parallel config must be an integer"]),
    ("two", ["jobs:x:parallel should be an integer or a hash"]),
    ("{matrix: a}", ["jobs:x:parallel:matrix config should be an array of hashes"]),
    ("{matrix: [{}]}", ["jobs:x:parallel:matrix:variables config requires at least 1 items"]),
    (
        "{matrix: [{A: {b: c}}]}",
        [
            "jobs:x:parallel:matrix:variables config should be a hash of key value pairs, value can be an array"
        ],
    ),
    (
        "{foo: a}",
        [
            "jobs:x:parallel config contains unknown keys: foo",
            "jobs:x:parallel config missing required keys: matrix",
        ],
    ),
]

JOBS = [
    ("{trigger: a/b, parallel: 2}", ['jobs:x:parallel config cannot use "parallel: <number>".']),
    ("{trigger: a/b, parallel: {matrix: [{A: b}]}}", []),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("parallel", value).parallel == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("parallel", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors
