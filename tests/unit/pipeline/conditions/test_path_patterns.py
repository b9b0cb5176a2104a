"""Ruby's regular expressions over paths, run by RE2."""

import time

import pytest

from homeport.pipeline.conditions.path_patterns import any_path_matches, is_path_pattern

PATHS = ("src/app.rb", "docs/index.md", "0af/x")

MATCHES = [
    (r"\Asrc/.*\.rb\z", True),
    (r"\.rb\Z", True),
    (r"^docs/", True),
    (r"\.go$", False),
    ("index", True),
    (r"\A\h+/", True),
    (r"\A\H+\z", False),
    (r"\\h", False),
    (r"^(?!docs/)", None),
]


@pytest.mark.parametrize(("pattern", "expected"), MATCHES)
def test_any_path_matches(pattern: str, expected: bool | None) -> None:
    assert any_path_matches(pattern, PATHS) is expected


@pytest.mark.parametrize(
    ("pattern", "valid"),
    [("^src/", True), ("^(?!docs/)", True), (r"(a)\1", True), ("[a", False), ("(a", False)],
)
def test_is_path_pattern(pattern: str, valid: bool) -> None:
    assert is_path_pattern(pattern) is valid


def test_a_hostile_pattern_takes_no_time() -> None:
    started = time.process_time()
    assert any_path_matches("(a+)+$", ["a" * 5000 + "!"]) is False
    assert time.process_time() - started < 1
