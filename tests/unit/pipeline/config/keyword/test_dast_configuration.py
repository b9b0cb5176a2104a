"""`dast_configuration`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable

import pytest

from homeport.pipeline.model.config import Job

ACCEPTED = ["{site_profile: a, scanner_profile: b}", "null"]

REFUSED = [
    ("a", ["jobs:x:dast_configuration config should be a hash"]),
    ("{site_profile: 5}", ["jobs:x:dast_configuration site profile should be a string"]),
    ("{profile: a}", ["jobs:x:dast_configuration config contains unknown keys: profile"]),
]


@pytest.mark.parametrize("value", ACCEPTED)
def test_accepted(value: str, job_of: Callable[[str, str], Job]) -> None:
    assert job_of("dast_configuration", value).name == "x"


@pytest.mark.parametrize(("value", "errors"), REFUSED)
def test_refused(
    value: str, errors: list[str], value_errors: Callable[[str, str], list[str]]
) -> None:
    assert value_errors("dast_configuration", value) == errors
