"""The `spec:` header: what is accepted, and what is refused in GitLab's words."""

from typing import Any

import pytest

from homeport.pipeline.document.inputs import InputsError
from homeport.pipeline.document.interpolation import interpolate
from homeport.pipeline.document.load import load

HEADERS: list[tuple[str, list[str]]] = [
    ("{spec: null}", []),
    ("{spec: {inputs: null}}", []),
    ("{spec: {inputs: {b: {default: c, description: d}}}}", []),
    ("{spec: {inputs: {a: {type: number, default: 1, options: [1, 2]}}}}", []),
    ("{spec: {inputs: {a: {regex: ^b, default: bc}}, component: [name, version]}}", []),
    ("{spec: a}", ["header:spec config should be a hash"]),
    ("{spec: {input: a}}", ["header:spec config contains unknown keys: input"]),
    ("{spec: {inputs: a}}", ["header:spec:inputs config should be a hash"]),
    (
        "{spec: {inputs: {a: {kind: b}}}}",
        ["header:spec:inputs:a config contains unknown keys: kind"],
    ),
]
INPUTS: list[tuple[str, dict[str, Any], Any]] = [
    ("null", {"a": "b"}, "b"),
    ("{default: b}", {}, "b"),
    ("{type: number}", {"a": 5}, 5),
    ("{type: array, default: [b]}", {}, ["b"]),
    ("{type: boolean}", {"a": False}, False),
    ("{options: [b, c]}", {"a": "c"}, "c"),
]
REFUSED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("null", {}, ["`a` input: required value has not been provided"]),
    ("null", {"a": "x", "b": 1}, ["unknown input arguments: b"]),
    ("{type: number}", {"a": "x"}, ["`a` input: provided value is not a number"]),
    ("{type: number, default: x}", {}, ["`a` input: default value is not a number"]),
    (
        "{options: [b]}",
        {"a": "c"},
        ["`a` input: `c` cannot be used because it is not in the list of allowed options"],
    ),
    (
        "{regex: ^b}",
        {"a": "c"},
        ["`a` input: provided value does not match required RegEx pattern"],
    ),
]


def fill(header: str, given: dict[str, Any]) -> Any:
    text = f"{header}\n---\nx: $[[ inputs.a ]]\n" if "a:" in header else f"{header}\n---\nx: y\n"
    return interpolate(load(text.encode(), "x.yml"), given)["x"]


@pytest.mark.parametrize(("header", "errors"), HEADERS)
def test_header(header: str, errors: list[str]) -> None:
    found: list[str] = []
    try:
        fill(header, {})
    except InputsError as error:
        found = error.messages
    assert found == errors


@pytest.mark.parametrize(("spec", "given", "expected"), INPUTS)
def test_input(spec: str, given: dict[str, Any], expected: Any) -> None:
    assert fill(f"spec: {{inputs: {{a: {spec}}}}}", given) == expected


@pytest.mark.parametrize(("spec", "given", "errors"), REFUSED)
def test_refused_input(spec: str, given: dict[str, Any], errors: list[str]) -> None:
    with pytest.raises(InputsError) as raised:
        fill(f"spec: {{inputs: {{a: {spec}}}}}", given)
    assert raised.value.messages == errors
