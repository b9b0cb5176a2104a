"""`spec:inputs`, functions and blocks: GitLab's vectors, and what happens to a whole file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from homeport.pipeline.document.functions import Scope, apply_functions, find_function
from homeport.pipeline.document.inputs import InputsError, resolve_inputs
from homeport.pipeline.document.interpolation import evaluate_block, find_blocks, interpolate
from homeport.pipeline.document.load import load
from homeport.pipeline.model.document import Document, Map, Seq

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[3] / "vectors/inputs.jsonl").read_text().splitlines()
]
NONE = Scope({})


def as_values(data: Any) -> Any:
    if isinstance(data, dict):
        return Map({key: as_values(item) for key, item in data.items()})
    return Seq([as_values(item) for item in data]) if isinstance(data, list) else data


def scope_of(given: Mapping[str, Any]) -> Scope:
    variables = given.get("variables", [])
    return Scope(
        {variable["key"]: variable["value"] for variable in variables},
        [variable["key"] for variable in variables if variable.get("masked")],
    )


def answer(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the code says to a vector, in the vector's own terms."""
    if "value" not in given and "function" in given:
        return {"matches": find_function(given["function"]) is not None}
    try:
        if "spec" in given:
            return {"inputs": resolve_inputs(given["spec"], given["args"])}
        if "block" in given:
            ((_, inside),) = find_blocks(given["block"])
            return {"value": evaluate_block(inside, as_values(given["context"]), NONE)}
        if "content" in given:
            header = as_values(given["header"])
            document = Document(name="ci.yml", header=header, content=as_values(given["content"]))
            component = given.get("component")
            return {"config": interpolate(document, given["args"], component=component)}
        functions = given.get("functions") or [given["function"]]
        return {"value": apply_functions(functions, given["value"], scope_of(given))}
    except InputsError as error:
        return {"errors": error.messages}


def agrees(expected: Mapping[str, Any], got: Mapping[str, Any]) -> bool:
    errors = got.get("errors", [])
    for key, value in expected.items():
        match key:
            case "error" | "first_error":
                fits = errors[:1] == [value]
            case "error_contains":
                fits = value in "\n".join(errors)
            case "errors_include":
                fits = value in errors
            case "errors_contain":
                fits = all(part in "\n".join(errors) for part in value)
            case "invalid":
                fits = bool(errors) is value
            case "note":
                fits = True
            case _:
                fits = key in got and got[key] == value
        if not fits:
            return False
    return True


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["case"])
def test_vectors(vector: dict[str, Any]) -> None:
    got = answer(vector["input"])
    assert agrees(vector["expected"], got), got


FILE = """\
spec:
  inputs:
    stage: {default: test}
    count: {type: number, default: 2}
    names: {type: array, default: [a, b]}
    flag: {type: boolean, default: true}
---
"job-$[[ inputs.stage ]]":
  stage: $[[ inputs.stage ]]
  parallel: $[[ inputs.count ]]
  interruptible: $[[ inputs.flag ]]
  script:
    - first
    - $[[ inputs.names ]]
    - echo $[[ inputs.count ]] $[[ inputs.names ]] $[[ inputs.flag ]]
  tags: $[[ inputs.names ]]
other: {script: [echo]}
"""


def test_a_whole_file() -> None:
    document = load(FILE.encode(), "ci.yml")
    content = interpolate(document, {"stage": "build"})
    assert content == {
        "job-build": {
            "stage": "build",
            "parallel": 2,
            "interruptible": True,
            "script": ["first", "a", "b", 'echo 2 ["a", "b"] true'],
            "tags": ["a", "b"],
        },
        "other": {"script": ["echo"]},
    }
    assert content["other"] is document.content["other"]
    script = content["job-build"]["script"]
    assert [mark.line + 1 for mark in script.marks] == [13, 14, 14, 15]


def test_without_a_header_blocks_are_text() -> None:
    document = load(b"a: $[[ inputs.x ]]", "ci.yml")
    assert interpolate(document) is document.content


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("inputs.a | split('')",
         "error in `split` function: invalid argument: separator cannot be empty"),
        ("inputs.a | truncate(0,1) | truncate(0,1) | truncate(0,1) | truncate(0,1)",
         "too many functions in interpolation block"),
        (f"inputs.{'a' * 1100}", "maximum interpolation expression size exceeded"),
    ],
)  # fmt: skip
def test_blocks_that_are_refused(block: str, message: str) -> None:
    with pytest.raises(InputsError) as raised:
        evaluate_block(block, {"inputs": {"a": "text"}}, NONE)
    assert raised.value.messages == [message]


UNKNOWN_TYPE = "unknown input specification for `a` (valid types: array, boolean, number, string)"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("spec: text", "header:spec config should be a hash"),
        ("spec: {inputs: [a]}", "header:spec:inputs config should be a hash"),
        ("spec: {inputs: {a: {typo: 1}}}",
         "header:spec:inputs:a config contains unknown keys: typo"),
        ("spec:\nother: 1", "header config contains unknown keys: other"),
        ("spec: {inputs: {a: 1}}", UNKNOWN_TYPE),
    ],
)  # fmt: skip
def test_headers_that_are_refused(header: str, message: str) -> None:
    document = load(f"{header}\n---\nb: 1".encode(), "ci.yml")
    with pytest.raises(InputsError) as raised:
        interpolate(document)
    assert raised.value.messages == [message]


def test_blocks_that_never_end_cost_nothing() -> None:
    assert find_blocks("$[[ x" * 100_000) == []
