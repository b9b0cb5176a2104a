"""`only` and `except`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job, Policy

ACCEPTED = [
    ("[main]", Policy(refs=("main",))),
    ("{refs: [main, /^v/]}", Policy(refs=("main", "/^v/"))),
    ("{variables: [$A]}", Policy(refs=("branches", "tags"), variables=("$A",))),
    ("{changes: [a]}", Policy(refs=("branches", "tags"), changes=("a",))),
    ("{kubernetes: active}", Policy(refs=("branches", "tags"), kubernetes="active")),
    ("null", Policy(refs=("branches", "tags"))),
]

REFUSED = [
    ("main", ["jobs:x:only has to be either an array of conditions or a hash"]),
    (
        "[/(/]",
        [
            "jobs:x:only config should be an array of strings or regular expressions using re2 syntax"
        ],
    ),
    (
        "[5]",
        [
            "jobs:x:only config should be an array of strings or regular expressions using re2 syntax"
        ],
    ),
    ("{}", ["jobs:x:only config can't be blank"]),
    ("{branches: [a]}", ["jobs:x:only config contains unknown keys: branches"]),
    (
        "{refs: main}",
        ["jobs:x:only refs should be an array of strings or regular expressions using re2 syntax"],
    ),
    ("{variables: $A}", ["jobs:x:only variables should be an array of strings"]),
    ('{variables: ["$A =="]}', ["jobs:x:only variables invalid expression syntax"]),
    ("{changes: a}", ["jobs:x:only changes should be an array of strings"]),
    ("{kubernetes: yes}", ["jobs:x:only kubernetes unknown value: true"]),
]

JOBS = [
    ("{script: a, except: [main]}", []),
    (
        "{script: a, except: main}",
        ["jobs:x:except has to be either an array of conditions or a hash"],
    ),
    ("{script: a, except: {}}", ["jobs:x:except config can't be blank"]),
    (
        "{script: a, only: [b], rules: [{if: $A}]}",
        ["jobs:x config key may not be used with `rules`: only"],
    ),
    ("{trigger: a/b, only: [main], except: [tags]}", []),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("only", value).only == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("only", value) == errors


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors
