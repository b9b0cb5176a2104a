"""`identity`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = ["google_cloud", "null"]

REFUSED = [
    ("aws", ["jobs:x:identity config should be one of: google_cloud"]),
    ("5", ["jobs:x:identity config should be a string"]),
]


@pytest.mark.parametrize("value", ACCEPTED)
def test_accepted(value: str, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("identity", value).name == "x"


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("identity", value) == errors
