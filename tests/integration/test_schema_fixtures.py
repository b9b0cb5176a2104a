"""GitLab's fixtures for its schema file, through the normal path.

`schema_fixtures.json` has a row for each fixture that is refused, with the first thing that is said
of it, and for each that the schema sees otherwise, with the reason: GitLab's behaviour wins.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from conformance.configuration import answer_errors
from testbed.schema_fixtures import Fixture, local_files, read_fixtures

ROWS: dict[tuple[str, str], dict[str, Any]] = {
    (row["file"], row["key"]): row
    for row in json.loads((Path(__file__).parent / "schema_fixtures.json").read_text())
}
FIXTURES = list(read_fixtures())
VARIABLES = {"FOO": "group/project", "VAR": "sub"}


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda each: f"{each.file}: {each.key}")
def test_fixtures(fixture: Fixture) -> None:
    row = ROWS.get((fixture.file, fixture.key), {})
    files = local_files(fixture.source)
    given = {"yaml": fixture.source, "variables": VARIABLES, "files": files}
    errors = answer_errors(given, {})["errors"]
    assert errors[:1] == ([row["says"]] if "says" in row else [])
    assert (errors == []) is fixture.positive or "why" in row


def test_every_row_is_of_a_fixture_and_needed() -> None:
    fixtures = {(each.file, each.key): each for each in FIXTURES}
    for place, row in ROWS.items():
        differs = fixtures[place].positive is ("says" in row)
        assert differs is ("why" in row), place
