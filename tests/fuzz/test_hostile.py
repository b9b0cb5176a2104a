"""Whatever comes in, a value or a refusal comes out."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import strategies, targets

BOUNDED = settings(
    max_examples=300,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def attack(target: Callable[[Any], None], given_input: Any) -> None:
    with contextlib.suppress(*targets.REFUSALS):
        target(given_input)


@BOUNDED
@given(strategies.EXPRESSIONS)
def test_expressions(text: str) -> None:
    attack(targets.attack_expression, text)


@BOUNDED
@given(strategies.YAML)
def test_yaml(text: str) -> None:
    attack(targets.attack_yaml, text)


@BOUNDED
@given(st.binary(max_size=60))
def test_bytes(data: bytes) -> None:
    attack(targets.attack_bytes, data)


@BOUNDED
@given(strategies.BLOCKS)
def test_interpolation(text: str) -> None:
    attack(targets.attack_interpolation, text)


@BOUNDED
@given(strategies.GLOBS)
def test_globs(text: str) -> None:
    attack(targets.attack_globs, text)


@BOUNDED
@given(strategies.VARIABLES)
def test_expansion(text: str) -> None:
    attack(targets.attack_expansion, text)


@BOUNDED
@given(strategies.SECRETS)
def test_redactor(text: str) -> None:
    attack(targets.attack_redactor, text)


@BOUNDED
@given(strategies.PIPELINES)
def test_pipelines(text: str) -> None:
    attack(targets.attack_pipeline, text)


@pytest.mark.parametrize("target", targets.TARGETS.values(), ids=targets.TARGETS)
@pytest.mark.parametrize("text", ["", "\x00", "\ud800", "\n", "a" * 100_000, "[" * 5000, "{" * 5000,
                                  "$" * 5000, "(" * 5000, "*/" * 2000])  # fmt: skip
def test_odd_texts(target: Callable[[str], None], text: str) -> None:
    attack(target, text)
