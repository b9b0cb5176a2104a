"""Ruby's spelling of values, each made with Ruby."""

from typing import Any

import pytest

from homeport.pipeline.document.ruby import float_text, inspect_value
from homeport.pipeline.model.document import Map, Seq, Symbol


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", '"a"'),
        ('a"b\n\t\x1b', '"a\\"b\\n\\t\\e"'),
        ("#{x} #$y #@z # w", '"\\#{x} \\#$y \\#@z # w"'),
        ("é", '"é"'),
        ("a\\b", '"a\\\\b"'),
        ("\x01", '"\\x01"'),
        (Symbol("a"), ":a"),
        (Symbol("a b"), ':"a b"'),
        (None, "nil"),
        (True, "true"),
        (12, "12"),
        (2.5, "2.5"),
        (Seq(["a", 1, None]), '["a", 1, nil]'),
        (Map({"b": Seq([True]), 1: Map()}), '{"b"=>[true], 1=>{}}'),
    ],
)
def test_inspect(value: Any, text: str) -> None:
    assert inspect_value(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (1e-4, "0.0001"),
        (1e-5, "1.0e-05"),
        (999999999999999.0, "999999999999999.0"),
        (1e15, "1.0e+15"),
        (1234567890123450.0, "1.23456789012345e+15"),
        (-1.25e15, "-1.25e+15"),
        (1000000000000000.5, "1000000000000000.5"),
        (1e16, "1.0e+16"),
        (1.5e20, "1.5e+20"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (float("nan"), "NaN"),
    ],
)
def test_float(value: float, text: str) -> None:
    assert float_text(value) == text
