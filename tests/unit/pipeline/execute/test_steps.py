"""Expressions and outputs of steps; what whole jobs do with them is in tests/behaviour/steps."""

from pathlib import Path
from typing import Any

import pytest

from homeport.pipeline.execute.api import Snapshot
from homeport.pipeline.execute.step_definition import StepError, read_definitions
from homeport.pipeline.execute.step_expression import ExpressionError, fill
from homeport.pipeline.execute.steps import _checked, _lines, _Taken
from homeport.pipeline.plan.steps import remote_step

SCOPE = {
    "inputs": {
        "list": ["a", "b"],
        "n": 1.5,
        "flag": True,
        "deep": {"x": {"y-z": "w"}},
        "t": "${{ n }}",
    },
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${{ inputs.list }}", ["a", "b"]),
        ("${{inputs.flag}}", True),
        ("it is ${{ inputs.flag }}", "it is true"),
        ("${{ inputs.n }}/${{ inputs.list[1] }}", "1.5/b"),
        ('${{ inputs["deep"].x.y-z }}', "w"),
        ("<${{ inputs.deep }}>", '<{"x": {"y-z": "w"}}>'),
        ("${{ inputs.t }}!", "${{ n }}!"),  # a value is not looked into again
        (["${{ inputs.n }}", {"${{ inputs.list[0] }}": "${{ inputs.n }}"}], [1.5, {"a": 1.5}]),
        (7, 7),
    ],
)
def test_expressions(text: Any, value: Any) -> None:
    assert fill(text, SCOPE) == value


@pytest.mark.parametrize(
    "text",
    ["inputs.none", "inputs.list[9]", "inputs.flag.x", "", "1 + 1", "f(x)", "a b", "nothing"],
)
def test_an_expression_without_value_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        fill(f"${{{{ {text} }}}}", SCOPE)


def test_values_that_double_are_no_bomb() -> None:
    with pytest.raises(ExpressionError, match="more than 1 MiB"):
        fill("${{ v }}${{ v }}", {"v": "x" * 600_000})
    tree: Any = ["x"]
    for _ in range(40):
        tree = fill(["${{ v }}", "${{ v }}"], {"v": tree})
    with pytest.raises(ExpressionError, match="more than 1 MiB"):
        fill("<${{ v }}>", {"v": tree})


def test_a_value_that_is_nested_too_deep_is_refused() -> None:
    value: Any = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(ExpressionError, match="nested too deep"):
        fill("<${{ v }}>", {"v": value})


def test_lines_of_output_files() -> None:
    text = b'{"name":"a","value":[1]}\n\nb="x"\nc=plain = text\n{"name":"a","value":null}\n'
    assert _lines(text) == {"a": None, "b": "x", "c": "plain = text"}


@pytest.mark.parametrize(
    "text",
    ["words", '{"name":"a"}', '{"name":1,"value":2}', "{", '{"name":"a","value":' + "[" * 100_000],
)
def test_a_line_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(StepError, match="a line without name and value"):
        _lines(text.encode())


@pytest.mark.parametrize("size", [1, 3, 100])
def test_output_is_parted_at_the_mark_however_it_is_cut(size: int) -> None:
    text = b"log MA log MAR\nMARK\nout\nMARK\nexport\n"
    shown = bytearray()
    taken = _Taken(shown.extend, b"MARK")
    for start in range(0, len(text), size):
        taken.feed(text[start : start + size])
    taken.end()
    assert bytes(shown) == b"log MA log MAR\n"
    assert [part.strip() for part in taken.parts()] == [b"out", b"export"]


def test_what_only_looks_like_the_mark_is_shown() -> None:
    shown = bytearray()
    taken = _Taken(shown.extend, b"MARK")
    taken.feed(b"log MAR")
    taken.end()
    assert bytes(shown) == b"log MAR"


@pytest.mark.parametrize(
    ("given", "spec", "reason"),
    [
        ({"x": 1}, {}, "there is no input called x"),
        ({}, {"x": {}}, "the input called x is missing"),
        ({"x": True}, {"x": {"type": "number"}}, "x is no number"),
        ({"x": 1}, {"x": {}}, "x is no string"),
    ],
)
def test_values_are_as_declared(given: Any, spec: Any, reason: str) -> None:
    with pytest.raises(StepError, match=reason):
        _checked(given, spec, "input")


SOUND = "spec:\n---\nexec: {command: [a]}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("exec: {command: [a]}\n", "has two documents"),
        ("spec: x\n---\nexec: {command: [a]}\n", "s/func.yml:1:1: spec is no mapping"),
        ("spec: {inputs: {a: b}}\n---\nexec: {command: [a]}\n", "a is no mapping"),
        ("spec:\n---\nexec: {command: a}\n", "are lists"),
        ("spec:\n---\nexec: [a]\n", "s/func.yml:3:1: exec is no mapping"),
        ("spec:\n---\nenv: {A: b}\n", "has either exec"),
        ("spec:\n---\nexec: {command: [a]}\nrun: []\n", "has either exec"),
        ("spec:\n---\nrun: [a]\n", "each step has one of"),
        ("spec:\n---\nrun: [{name: a, func: ./a, script: b}]\n", "each step has one of"),
        ("spec:\n---\nrun: [{script: b}]\n", "s/func.yml:3:8: a step has a name"),
        ("spec:\n---\nrun: [{name: a, script: b, env: c}]\n", "env is no mapping"),
        ("spec:\n---\nrun: [{name: a, func: ./other}]\n", "./other has neither"),
        ("spec:\n---\nrun: [{name: a, func: 'x.org/y:1'}]\n", "not in this repository: x.org/y:1"),
        ("spec:\n---\n: [\n", "s/func.yml:3"),
    ],
)
def test_a_broken_definition_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "func.yml").write_text(text)
    tree = Snapshot(root=tmp_path, files=("s/func.yml",), git=None, objects=None)
    with pytest.raises(StepError, match=reason):
        read_definitions([{"name": "x", "func": "./s"}], tree)


def test_steps_that_name_each_other_many_times_are_no_bomb(tmp_path: Path) -> None:
    for level in range(15):
        (tmp_path / f"s{level}").mkdir()
        step = f"{{name: a, func: ../s{level + 1}}}"
        text = f"spec:\n---\nrun: [{step}, {step.replace('name: a', 'name: b')}]\n"
        (tmp_path / f"s{level}" / "func.yml").write_text(SOUND if level == 14 else text)
    files = tuple(f"s{level}/func.yml" for level in range(15))
    tree = Snapshot(root=tmp_path, files=files, git=None, objects=None)
    with pytest.raises(StepError, match="more than 1000 steps"):
        read_definitions([{"name": "x", "func": "./s0"}], tree)


def test_a_definition_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "func.yml").write_text(f"{SOUND}{'# x' * 400_000}\n")
    tree = Snapshot(root=tmp_path, files=("func.yml",), git=None, objects=None)
    with pytest.raises(StepError, match=r"func\.yml is larger than 1 MiB"):
        read_definitions([{"name": "x", "func": "./"}], tree)


def test_no_path_leads_out_of_the_repository(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "func.yml").write_text(SOUND)
    for named in ("..", "/", str(tmp_path), "./a/../.."):
        tree = Snapshot(root=root, files=(), git=None, objects=None)
        with pytest.raises(StepError, match="has neither"):
            read_definitions([{"name": "x", "func": named}], tree)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"script": "x"}, None),
        ({"step": "./a"}, None),
        ({"step": ".gitlab/steps/a"}, None),
        ({"func": "steps/a"}, None),
        ({"step": "gitlab.com/a/b@v1"}, "gitlab.com/a/b@v1"),
        ({"func": "localhost:5000/a"}, "localhost:5000/a"),
        ({"func": "builtin://function/oci/build"}, "builtin://function/oci/build"),
        ({"func": "registry.corp/a/b"}, "registry.corp/a/b"),
        ({"step": {"oci": {"registry": "r", "repository": "a", "tag": "1"}}}, "r a 1"),
    ],
)
def test_which_steps_are_elsewhere(step: Any, words: str | None) -> None:
    assert remote_step(step) == words
