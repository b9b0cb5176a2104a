"""`services`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("[a, {name: b}]", [("a", (), None), ("b", (), None)]),
    ('[{name: a, alias: "b, c d", command: [run]}]', [("a", ("b", "c", "d"), ("run",))]),
    ("[]", []),
]

REFUSED = [
    ("a", ["jobs:x:services config should be an array"]),
    ("[5]", ["jobs:x:services:service config should be a hash or a string"]),
    (
        "[{alias: a}]",
        [
            "jobs:x:services:service name should be a string",
            "jobs:x:services:service name can't be blank",
        ],
    ),
    ("[{name: a, alias: [b]}]", ["jobs:x:services:service alias should be a string"]),
    (
        "[{name: a, command: 5}]",
        [
            "jobs:x:services:service:command config should be a string or a nested array of strings up to 10 levels deep"
        ],
    ),
    (
        "[{name: a, entrypoint: b}]",
        ["jobs:x:services:service entrypoint should be an array of strings"],
    ),
    (
        "[{name: a, variables: {A: {value: b}}}]",
        ["jobs:x:services:service:variables:a config must be a string"],
    ),
    (
        "[{name: a, pull_policy: often}]",
        ["jobs:x:services:service:pull_policy config is not included in the list"],
    ),
    ("[{name: a, port: 80}]", ["jobs:x:services:service config contains unknown keys: port"]),
    (
        "[{name: a, docker: {user: 5}}]",
        ["jobs:x:services:service executor opts value at `/docker/user` is not a string"],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert [
        (item.name, item.aliases, item.command) for item in job_of("services", value).services or ()
    ] == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("services", value) == errors
