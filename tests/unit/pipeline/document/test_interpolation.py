"""`spec:inputs`, functions and blocks: GitLab's vectors, and what happens to a whole file."""

import pytest

from homeport.pipeline.document.functions import Scope
from homeport.pipeline.document.inputs import InputsError
from homeport.pipeline.document.interpolation import evaluate_block, find_blocks, interpolate
from homeport.pipeline.document.load import load

NONE = Scope({})

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
        ("spec: {inputs: {a: {type: [x]}}}",
         'header:spec:inputs:a input type unknown value: ["x"]'),
    ],
)  # fmt: skip
def test_headers_that_are_refused(header: str, message: str) -> None:
    document = load(f"{header}\n---\nb: 1".encode(), "ci.yml")
    with pytest.raises(InputsError) as raised:
        interpolate(document)
    assert raised.value.messages == [message]


def test_blocks_that_never_end_cost_nothing() -> None:
    assert find_blocks("$[[ x" * 100_000) == []
