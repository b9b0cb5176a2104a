"""The deep merge of `include` and `extends`."""

from typing import Any

import pytest

from homeport.pipeline.document.load import load
from homeport.pipeline.document.merge import Budget, OverBudgetError, merge_all
from homeport.pipeline.model.document import Map, span_of_key, span_of_value


def parse(text: str, name: str = "ci.yml") -> Map:
    return load(text.encode(), name).content


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ("{}", "a: 1", {"a": 1}),
        ("a: 1", "{}", {"a": 1}),
        ("a: 1", "a: 2", {"a": 2}),
        ("a: 1\nb: 2", "c: 3\na: 4", {"a": 4, "b": 2, "c": 3}),
        ("a: {b: 1, c: 2}", "a: {c: 3, d: 4}", {"a": {"b": 1, "c": 3, "d": 4}}),
        ("a: {b: {c: 1}}", "a: {b: {d: 2}}", {"a": {"b": {"c": 1, "d": 2}}}),
        ("a: [1, 2]", "a: [3]", {"a": [3]}),
        ("a: {b: 1}", "a: [2]", {"a": [2]}),
        ("a: {b: 1}", "a:", {"a": None}),
        ("a: {b: 1}", "a: {}", {"a": {"b": 1}}),
        ("a:", "a: {b: 1}", {"a": {"b": 1}}),
    ],
)
def test_merge(base: str, over: str, merged: dict[str, Any]) -> None:
    result = merge_all([parse(base), parse(over)])
    assert result == merged
    assert list(result) == list(merged)


def test_nothing_is_changed_and_the_rest_is_shared() -> None:
    base, over = parse("a: {b: [1]}\nc: {d: 1}"), parse("a: {e: 2}")
    result = merge_all([base, over])
    assert base == {"a": {"b": [1]}, "c": {"d": 1}}
    assert over == {"a": {"e": 2}}
    assert result["a"]["b"] is base["a"]["b"]
    assert result["c"] is base["c"]


def test_places_are_those_of_the_value_that_won() -> None:
    result = merge_all([parse("a: {b: 1}\nc: 2", "base.yml"), parse("x: 0\na: {d: 3}", "over.yml")])
    assert str(span_of_key(result, "a")) == "over.yml:2:1"
    assert str(span_of_value(result, "c")) == "base.yml:2:4"
    assert str(span_of_key(result["a"], "b")) == "base.yml:1:5"
    assert str(span_of_key(result["a"], "d")) == "over.yml:2:5"


def test_several_layers_and_none() -> None:
    layers = [parse("a: {b: 1}"), parse("a: {c: 2}"), Map(), parse("a: {b: 3}")]
    assert merge_all(layers) == {"a": {"b": 3, "c": 2}}
    assert merge_all([]) == {}
    assert merge_all([Map(), layers[0]]) is layers[0]


def test_the_budget_counts_what_is_copied() -> None:
    base, over = parse("a: {b: 1, c: 2}\nd: 3"), parse("a: {e: 4}")
    merge_all([base, over], Budget(6))
    with pytest.raises(OverBudgetError):
        merge_all([base, over], Budget(5))
