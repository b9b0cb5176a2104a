"""`publish`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable

import pytest

JOBS = [
    ("{script: a, pages: true, publish: site}", []),
    ("{script: a, pages: true, publish: 5}", ["jobs:x:publish config should be a string"]),
    ("{script: a, publish: site}", ["jobs:x publish can only be used within a `pages` job"]),
    (
        "{script: a, publish: s, pages: {publish: t}}",
        ["x job: use either x:publish or x:pages:publish"],
    ),
]

FILES = [
    ("{pages: {script: a, publish: site}}", []),
]


@pytest.mark.parametrize(("job", "errors"), JOBS)
def test_job(job: str, errors: list[str], job_errors: Callable[[str], list[str]]) -> None:
    assert job_errors(job) == errors


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
