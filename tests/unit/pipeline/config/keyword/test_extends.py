"""`extends`: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Callable

import pytest

FILES = [
    ("{.a: {script: e}, x: {extends: .a, script: f}}", []),
    ("{.a: {script: e}, x: {extends: [.a], script: f}}", []),
    ("{x: {extends: 5, script: f}}", ["jobs:x extends should be an array of strings or a string"]),
    (
        "{x: {extends: [5], script: f}}",
        ["jobs:x extends should be an array of strings or a string"],
    ),
]


@pytest.mark.parametrize(("file", "errors"), FILES)
def test_file(file: str, errors: list[str], file_errors: Callable[[str], list[str]]) -> None:
    assert file_errors(file) == errors
