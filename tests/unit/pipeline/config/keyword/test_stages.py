"""`stages`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable

import pytest

FILES = [
    ("{stages: [a, b], x: {script: e, stage: b}}", []),
    ("{stages: [a, [b]], x: {script: e, stage: b}}", []),
    ("{stages: null, x: {script: e}}", []),
    (
        "{stages: a, x: {script: e}}",
        [
            "stages config should be an array of strings or a nested array of strings up to 10 levels deep"
        ],
    ),
    (
        "{stages: [1], x: {script: e}}",
        [
            "stages config should be an array of strings or a nested array of strings up to 10 levels deep"
        ],
    ),
    (
        "{stages: [a], x: {script: e}}",
        ["x job: chosen stage test does not exist; available stages are .pre, a, .post"],
    ),
    (
        "{stages: [], x: {script: e, stage: .pre}}",
        ["x job: chosen stage .pre does not exist; available stages are "],
    ),
]


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
