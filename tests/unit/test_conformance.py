"""Every vector of tests/vectors, and what the command says of vectors that fail."""

import json
from pathlib import Path

import pytest

from conformance.__main__ import main
from conformance.outcome import run_case
from conformance.vectors import Case, kind_of, read_folder

VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.mark.parametrize("case", [*read_folder(VECTORS)], ids=lambda case: case.label)
def test_vectors(case: Case) -> None:
    outcome = run_case(case)
    assert outcome.passed, f"expected {case.expected}, got {outcome.actual}"


@pytest.mark.parametrize(
    ("stem", "kind"),
    [
        ("errors", "errors"),
        ("more-errors", "errors"),
        ("globs-fnmatch", "globs-fnmatch"),
        ("terrors", None),
        ("unknown", None),
    ],
)
def test_the_kind_of_a_file_is_in_its_name(stem: str, kind: str | None) -> None:
    assert kind_of(stem) == kind


def test_failures_and_unknown_files_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [
        {"case": "right", "input": {"expression": "true"}, "expected": {"value": True}},
        {"case": "wrong", "input": {"expression": "true"}, "expected": {"value": "yes"}},
        {"case": "broken", "input": {}, "expected": {"value": True}},
    ]
    (tmp_path / "expressions.jsonl").write_text("\n".join(map(json.dumps, cases)))
    (tmp_path / "oracles.jsonl").write_text('{"case": "?", "input": {}, "expected": {}}\n')
    assert main(tmp_path) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("unknown file: oracles.jsonl")
    assert [line for line in said if line.startswith("FAILED")] == [
        "FAILED expressions.jsonl:2 wrong",
        "FAILED expressions.jsonl:3 broken",
        "FAILED oracles.jsonl:1 ?",
    ]
    assert '  expected: {"value": "yes"}' in said
    assert said[-1] == "1 passed, 3 failed"


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    assert main(tmp_path / "none") == 2


def test_a_folder_that_passes(tmp_path: Path) -> None:
    (tmp_path / "more-expressions.jsonl").write_text(
        '{"case": "x", "input": {"expression": "null"}, "expected": {"value": null}}\n'
    )
    assert main(tmp_path) == 0
