"""`extends`: GitLab's vectors, its words, sharing, and what is unresolved without some includes."""

import time
from typing import Any

import pytest

from homeport.errors import UsageError
from homeport.pipeline.config.extends import resolve_extends
from homeport.pipeline.document.load import load
from homeport.pipeline.model.document import Map, span_of_key


def parse(text: str) -> Map:
    return load(text.encode(), "ci.yml").content


@pytest.mark.parametrize(
    ("source", "merged"),
    [
        ("a: {extends: []}", {"extends": []}),
        ("a: {extends: }", {"extends": None}),
        (
            "b: {x: {y: 1, z: [1, 2]}}\na: {extends: b, x: {z: [3]}}",
            {"x": {"y": 1, "z": [3]}, "extends": "b"},
        ),
        (
            "b: {x: 1, y: 1}\nc: {y: 2, z: 2}\na: {extends: [b, c], z: 3}",
            {"x": 1, "y": 2, "z": 3, "extends": ["b", "c"]},
        ),
        (
            "c: {x: 1}\nb: {extends: c, y: 2}\na: {extends: b}",
            {"x": 1, "extends": "b", "y": 2},
        ),
    ],
)
def test_merge(source: str, merged: dict[str, Any]) -> None:
    result, _ = resolve_extends(parse(source))
    assert result["a"] == merged
    assert list(result["a"]) == list(merged)


def chain(length: int) -> str:
    """A chain of jobs; j0 has `length` ancestors, and the last of them extends nothing."""
    jobs = [f"j{i}: {{extends: j{i + 1}}}" for i in range(length)]
    return "\n".join([*jobs, f"j{length}: {{script: x}}"])


CIRCULAR = "a: circular dependency detected in `extends`"


@pytest.mark.parametrize(
    ("source", "message", "place"),
    [
        ("test: {extends: foo}", "test: unknown keys in `extends` (foo)", "1:17"),
        ("test: {extends: [a, b]}", "test: unknown keys in `extends` (a, b)", "1:17"),
        ("test: {extends: 123}", "test: unknown keys in `extends` (123)", "1:17"),
        ("a: 1\ntest: {extends: a}", "test: invalid base hash in `extends`: a", "2:17"),
        ("test: {extends: test}", "test: circular dependency detected in `extends`", "1:17"),
        ("a: {extends: b}\nb: {extends: a}", CIRCULAR, "1:14"),
        (chain(12), "j11: nesting too deep in `extends`", "12:16"),
        (
            "\n".join(reversed(chain(12).splitlines())),
            "j11: nesting too deep in `extends`",
            "2:16",
        ),
    ],
)  # fmt: skip
def test_errors(source: str, message: str, place: str) -> None:
    with pytest.raises(UsageError) as raised:
        resolve_extends(parse(source))
    assert str(raised.value.problems[0]) == f"ci.yml:{place}: {message}"


def test_eleven_ancestors_are_allowed_in_any_order() -> None:
    for source in (chain(11), "\n".join(reversed(chain(11).splitlines()))):
        assert resolve_extends(parse(source))[0]["j0"]["script"] == "x"


def test_sharing_and_places() -> None:
    config = parse("b: {x: {y: 1}, s: [1]}\na:\n  extends: b\n  x: {z: 2}\nc: {k: {}}")
    merged, _ = resolve_extends(config)
    assert config["a"] == {"extends": "b", "x": {"z": 2}}
    assert merged["b"] is config["b"]
    assert merged["c"] is config["c"]
    assert merged["a"]["s"] is config["b"]["s"]
    assert str(span_of_key(merged["a"], "s")) == "ci.yml:1:16"
    assert str(span_of_key(merged["a"], "x")) == "ci.yml:4:3"


def test_without_extends_nothing_is_copied() -> None:
    config = parse("a: {b: 1}\nc: text")
    assert resolve_extends(config)[0] is config


def test_partial_leaves_out_what_is_unresolved_and_says_why() -> None:
    config = parse(
        "a: {extends: .gone}\nb: {extends: [c, a]}\nc: {x: 1}\n"
        "d: {extends: [a, .far]}\ne: {extends: c}\n"
    )
    merged, unresolved = resolve_extends(config, partial=True)
    gone = "extends `.gone` (ci.yml:1:14)"
    assert unresolved == {"a": (gone,), "b": (gone,), "d": ("extends `.far` (ci.yml:4:14)", gone)}
    assert merged == {"c": {"x": 1}, "e": {"x": 1, "extends": "c"}}


def test_partial_still_refuses_what_is_wrong_in_itself() -> None:
    with pytest.raises(UsageError, match="circular"):
        resolve_extends(parse("a: {extends: [.gone, a]}"), partial=True)


def test_the_cost_is_linear() -> None:
    jobs = "".join(f"j{i}: {{extends: .leaf, n: {i}}}\n" for i in range(5000))
    config = parse(f".base: {{x: 1}}\n.mid: {{extends: .base}}\n.leaf: {{extends: .mid}}\n{jobs}")
    started = time.process_time()
    resolve_extends(config)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("base", ["%s", "variables: {%s}"])
def test_a_large_base_of_many_jobs_is_refused(base: str) -> None:
    keys = ", ".join(f"k{i}: 1" for i in range(20_000))
    jobs = "".join(f"j{i}: {{extends: .base, variables: {{x: 1}}}}\n" for i in range(20_000))
    config = parse(f".base: {{{base % keys}}}\n{jobs}")
    with pytest.raises(UsageError, match="The parsed YAML is too big"):
        resolve_extends(config)
