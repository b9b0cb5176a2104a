"""`image`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable
from typing import Any

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = [
    ("alpine", ("alpine", None, None, None, ())),
    ('{name: a, entrypoint: [""]}', ("a", ("",), None, None, ())),
    ("{name: a, docker: {user: u, platform: linux/arm64}}", ("a", None, "u", "linux/arm64", ())),
    ("{name: a, kubernetes: {user: 1001}}", ("a", None, None, None, ())),
    ('{name: a, kubernetes: {user: "1001:1001"}}', ("a", None, None, None, ())),
    (
        "{name: a, pull_policy: [always, if-not-present]}",
        ("a", None, None, None, ("always", "if-not-present")),
    ),
    ("{name: a, pull_policy: never}", ("a", None, None, None, ("never",))),
]

REFUSED = [
    ("5", ["jobs:x:image config should be a hash or a string"]),
    ('""', ["jobs:x:image name can't be blank"]),
    (
        "{entrypoint: [a]}",
        ["jobs:x:image name should be a string", "jobs:x:image name can't be blank"],
    ),
    ("{name: a, entrypoint: b}", ["jobs:x:image entrypoint should be an array of strings"]),
    ("{name: a, user: b}", ["jobs:x:image config contains unknown keys: user"]),
    (
        "{name: a, docker: {user: 5}}",
        ["jobs:x:image executor opts value at `/docker/user` is not a string"],
    ),
    (
        '{name: a, docker: {platform: ""}}',
        ["jobs:x:image executor opts string length at `/docker/platform` is less than: 1"],
    ),
    ("{name: a, docker: b}", ["jobs:x:image executor opts value at `/docker` is not an object"]),
    (
        "{name: a, kubernetes: {user: [a]}}",
        [
            "jobs:x:image executor opts value at `/kubernetes/user` is not one of the types: string, integer"
        ],
    ),
    (
        "{name: a, pull_policy: often}",
        ["jobs:x:image:pull_policy config is not included in the list"],
    ),
    ("{name: a, pull_policy: []}", ["jobs:x:image:pull_policy config can't be blank"]),
    (
        "{name: a, pull_policy: [often]}",
        ["jobs:x:image:pull_policy config contains unknown values: often"],
    ),
]

FILES = [
    ("{image: a, x: {script: b, image: null}}", []),
    (
        "{image: a, default: {image: b}, x: {script: c}}",
        ["image is defined in top-level and `default:` entry"],
    ),
]


@pytest.mark.parametrize(("value", "expected"), ACCEPTED)
def test_accepted(value: str, expected: Any, job_of: Callable[[str, str], Job]) -> None:
    found = job_of("image", value).image
    assert found is not None
    assert (
        found.name,
        found.entrypoint,
        found.docker_user,
        found.docker_platform,
        found.pull_policy,
    ) == expected


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("image", value) == errors


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
