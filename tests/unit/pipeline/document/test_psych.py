"""Each difference between PyYAML and Ruby's Psych, as the table beside this file lists them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from homeport.errors import UsageError
from homeport.pipeline.document.load import load
from homeport.pipeline.model.document import Symbol

TABLE = yaml.safe_load(Path(__file__).with_name("psych.yml").read_text())
SCALARS = [{**row, "text": f"key: {row['text']}\n", "inner": True} for row in TABLE["scalars"]]
ROWS = [*SCALARS, *TABLE["documents"]]
NAMES = [f"{row['text'].strip()!r}: {row['why']}" for row in ROWS]


def read(row: dict[str, Any]) -> Any:
    content = load(row["text"].encode(), "ci.yml").content
    return content["key"] if "inner" in row else content


def read_by_pyyaml(row: dict[str, Any]) -> Any:
    try:
        content = yaml.safe_load(row["text"])
    except yaml.YAMLError:
        return "refused by PyYAML"
    except (ValueError, KeyError):
        return "PyYAML fails"
    return content["key"] if "inner" in row else content


@pytest.mark.parametrize("row", [row for row in ROWS if "value" in row], ids=str)
def test_value(row: dict[str, Any]) -> None:
    value = read(row)
    assert value == row["value"]
    assert isinstance(value, type(row["value"]))
    assert not isinstance(value, Symbol)
    if isinstance(value, dict):
        assert list(value) == list(row["value"])


@pytest.mark.parametrize("row", [row for row in ROWS if "symbol" in row], ids=str)
def test_symbol(row: dict[str, Any]) -> None:
    value = read(row)
    assert isinstance(value, Symbol)
    assert value == row["symbol"]


@pytest.mark.parametrize("row", [row for row in ROWS if "error" in row], ids=str)
def test_error(row: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as raised:
        read(row)
    (problem,) = raised.value.problems
    assert problem.message == row["error"]
    assert problem.span is not None


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_it_is_a_difference(row: dict[str, Any]) -> None:
    theirs = read_by_pyyaml(row)
    alike = "value" in row and theirs == row["value"] and type(theirs) is type(row["value"])
    assert alike == row.get("same", False)


def test_not_a_number() -> None:
    value = load(b"key: .NaN", "ci.yml").content["key"]
    assert value != value  # noqa: PLR0124 - what makes it one
