"""YAML as Psych prints it: the table beside this file was made with Ruby."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from homeport.pipeline.document.dump import dump
from homeport.pipeline.document.load import load
from homeport.pipeline.model.document import Map, Seq, Symbol

TABLE = yaml.safe_load(Path(__file__).with_name("dump.yml").read_text())


def as_values(data: Any) -> Any:
    if isinstance(data, dict):
        return Map({key: as_values(item) for key, item in data.items()})
    return Seq([as_values(item) for item in data]) if isinstance(data, list) else data


@pytest.mark.parametrize("row", TABLE, ids=lambda row: repr(row["value"]))
def test_as_psych_prints_it(row: dict[str, Any]) -> None:
    config = Map({"k": as_values(row["value"])})
    text = dump(config)
    assert text == f"---\n{row['yaml']}"
    assert load(text.encode(), "ci.yml").content == config


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (Map(), "--- {}\n"),
        (Map({"k": Symbol("word")}), "---\nk: :word\n"),
        (Map({2: "a", None: "b", True: "c"}), "---\n'2': a\n'': b\n'true': c\n"),
        (Map({"k": float("-inf")}), "---\nk: -.inf\n"),
        (Map({"k": float("nan")}), "---\nk: .nan\n"),
    ],
)
def test_the_rest(config: Map, text: str) -> None:
    assert dump(config) == text


def test_long_lines_are_folded_at_eighty() -> None:
    text = dump(Map({"k": "word " * 30 + "end"}))
    assert text.splitlines()[1] == "k: " + " ".join(["word"] * 16)
    assert text.splitlines()[2].startswith("  word")


def test_tags_and_shared_values_are_written_out() -> None:
    config = load(b"a: &a {s: [1]}\nb: *a\nc: !reference [a, s]\nd: !reference a", "ci.yml").content
    assert dump(config) == (
        "---\na:\n  s:\n  - 1\nb:\n  s:\n  - 1\nc: !reference\n- a\n- s\nd: !reference a\n"
    )
