"""`artifacts`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Artifacts, ArtifactsWhen, Job

ACCEPTED = [
    ("null", None),
    ("{}", Artifacts()),
    (
        "{paths: [a, b/], exclude: [c], untracked: true, when: always}",
        Artifacts(paths=("a", "b/"), exclude=("c",), untracked=True, when=ArtifactsWhen.ALWAYS),
    ),
    (
        "{paths: [a], name: n, expire_in: 1 week, public: false}",
        Artifacts(paths=("a",), name="n", expire_in="1 week", public=False),
    ),
    (
        "{paths: [a], expire_in: never, access: developer, expose_as: A b}",
        Artifacts(paths=("a",), expire_in="never", access="developer", expose_as="A b"),
    ),
]

REFUSED = [
    ("[a]", ["jobs:x:artifacts config should be a hash"]),
    ("{path: [a]}", ["jobs:x:artifacts config contains unknown keys: path"]),
    ("{paths: a}", ["jobs:x:artifacts paths should be an array of strings"]),
    ("{exclude: a}", ["jobs:x:artifacts exclude should be an array of strings"]),
    ("{untracked: maybe}", ["jobs:x:artifacts untracked should be a boolean value"]),
    ("{name: [a]}", ["jobs:x:artifacts name should be a string"]),
    ("{when: never}", ["jobs:x:artifacts when should be one of: on_success, on_failure, always"]),
    ("{expire_in: soon}", ["jobs:x:artifacts expire in should be a duration"]),
    ("{expire_in: 5}", ["jobs:x:artifacts expire in should be a duration"]),
    ("{public: 1}", ["jobs:x:artifacts public should be a boolean value"]),
    (
        "{access: me}",
        ["jobs:x:artifacts access should be one of: none, developer, maintainer, all"],
    ),
    (
        "{access: all, public: true}",
        ["jobs:x:artifacts config these keys cannot be used together: access, public"],
    ),
    ("{expose_as: a}", ["jobs:x:artifacts paths can't be blank"]),
    (
        '{expose_as: a, paths: ["*"]}',
        ["jobs:x:artifacts paths can't contain '*' when used with 'expose_as'"],
    ),
    (
        '{expose_as: "a!", paths: [b]}',
        ["jobs:x:artifacts expose as can contain only letters, digits, '-', '_' and spaces"],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("artifacts", value).artifacts == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("artifacts", value) == errors
