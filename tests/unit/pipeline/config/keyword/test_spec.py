"""The `spec:` header: what is accepted, and what is refused in GitLab's words."""

from collections.abc import Mapping
from typing import Any

import pytest

from homeport.pipeline.document.inputs import InputsError, check_header, resolve_inputs
from homeport.pipeline.document.load import load

HEADERS: list[tuple[str, list[str]]] = [
    ("{spec: null}", []),
    ("{spec: {inputs: null}}", []),
    ("{spec: {inputs: {a: null, b: {default: c, description: d}}}}", []),
    ("{spec: {inputs: {a: {type: number, default: 1, options: [1, 2]}}}}", []),
    ("{spec: {inputs: {a: {regex: ^b}}, component: [name, version]}}", []),
    ("{spec: a}", ["header:spec config should be a hash"]),
    ("{spec: {input: a}}", ["header:spec config contains unknown keys: input"]),
    ("{specs: a}", ["header config contains unknown keys: specs"]),
    ("{spec: {inputs: a}}", ["header:spec:inputs config should be a hash"]),
    (
        "{spec: {inputs: {a: {kind: b}}}}",
        ["header:spec:inputs:a config contains unknown keys: kind"],
    ),
]
INPUTS: list[tuple[str, dict[str, Any], dict[str, Any] | list[str]]] = [
    ("{a: null}", {"a": "b"}, {"a": "b"}),
    ("{a: {default: b}}", {}, {"a": "b"}),
    ("{a: {type: number}}", {"a": 5}, {"a": 5}),
    ("{a: {type: array, default: [b]}}", {}, {"a": ["b"]}),
    ("{a: {type: boolean}}", {"a": False}, {"a": False}),
    ("{a: {options: [b, c]}}", {"a": "c"}, {"a": "c"}),
    ("{a: null}", {}, ["`a` input: required value has not been provided"]),
    ("{a: null}", {"a": "x", "b": 1}, ["unknown input arguments: b"]),
    ("{a: {type: number}}", {"a": "x"}, ["`a` input: provided value is not a number"]),
    ("{a: {type: number, default: x}}", {}, ["`a` input: default value is not a number"]),
    (
        "{a: {options: [b]}}",
        {"a": "c"},
        ["`a` input: `c` cannot be used because it is not in the list of allowed options"],
    ),
    (
        "{a: {regex: ^b}}",
        {"a": "c"},
        ["`a` input: provided value does not match required RegEx pattern"],
    ),
    (
        "{a: {type: list}}",
        {},
        ["unknown input specification for `a` (valid types: array, boolean, number, string)"],
    ),
]


def written(text: str) -> Mapping[Any, Any]:
    return load(text.encode(), "x.yml").content


@pytest.mark.parametrize(("header", "errors"), HEADERS)
def test_header(header: str, errors: list[str]) -> None:
    found: list[str] = []
    try:
        check_header(written(header))
    except InputsError as error:
        found = error.messages
    assert found == errors


@pytest.mark.parametrize(("spec", "given", "expected"), INPUTS)
def test_inputs(spec: str, given: dict[str, Any], expected: dict[str, Any] | list[str]) -> None:
    found: dict[str, Any] | list[str]
    try:
        found = resolve_inputs(written(spec), given)
    except InputsError as error:
        found = error.messages
    assert found == expected
