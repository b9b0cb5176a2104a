import json
from pathlib import Path
from typing import Any

import pytest

from homeport.pipeline.model.plan import ScopedVariable
from homeport.pipeline.variables.expand import (
    CycleError,
    ExpansionError,
    expand,
    expand_all,
    expand_nested,
    references,
    sort_variables,
)

VECTORS = Path(__file__).parents[3] / "vectors" / "expand.jsonl"
CASES = [json.loads(line) for line in VECTORS.read_text().splitlines()]


def scoped(given: list[dict[str, Any]]) -> list[ScopedVariable]:
    return [ScopedVariable(**variable) for variable in given]


def plain(variables: list[ScopedVariable]) -> list[dict[str, Any]]:
    flags = ("raw", "masked", "file")
    return [
        {"key": variable.key, "value": variable.value}
        | {flag: True for flag in flags if getattr(variable, flag)}
        for variable in variables
    ]


def expand_text(given: dict[str, Any]) -> str:
    variables = scoped(given["variables"])
    files = {variable.key for variable in variables if variable.file}
    masked = {variable.key for variable in variables if variable.masked}
    return expand(
        given["value"],
        {variable.key: variable.value for variable in variables},
        keep_undefined=given["mode"] == "expand_existing",
        kept=() if given.get("expand_file_refs", True) else files,
        refused=masked if given.get("fail_on_masked") else (),
    )


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{case['input']['mode']}: {case['case']}" for case in CASES]
)
def test_gitlab_s_vectors(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    if "error_contains" in expected:
        with pytest.raises(ExpansionError, match=expected["error_contains"]):
            expand_text(given)
    elif "value" in expected:
        assert expand_text(given) == expected["value"]
    elif given["mode"] == "sort":
        if expected["errors"] is not None:
            with pytest.raises(CycleError) as caught:
                sort_variables(scoped(given["variables"]))
            assert caught.value.problems[0].message == expected["errors"]
        else:
            order = [variable.key for variable in sort_variables(scoped(given["variables"]))]
            assert order == expected["order"]
    else:
        found = plain(
            expand_all(
                scoped(given["variables"]),
                keep_undefined=given.get("keep_undefined", False),
                expand_file_refs=given.get("expand_file_refs", True),
                expand_raw_refs=given.get("expand_raw_refs", True),
            )
        )
        wanted = expected["variables"]
        if given.get("order") == "any":
            found.sort(key=lambda variable: variable["key"])
            wanted = sorted(wanted, key=lambda variable: variable["key"])
        assert found == wanted


@pytest.mark.parametrize(
    ("value", "expanded"),
    [
        ("$A", "a"),
        ("${A}b", "ab"),
        ("$Ab", ""),
        ("%A%", "a"),
        ("100%", "100%"),
        ("$1 $- ${} ${A", "$1 $- ${} ${A"),
        ("$$A", "$a"),
        ("$N", "$A"),
        ("a$", "a$"),
        ("${NONE}x", "x"),
    ],
)
def test_text(value: str, expanded: str) -> None:
    assert expand(value, {"A": "a", "N": "$A"}) == expanded


@pytest.mark.parametrize(
    ("variables", "values"),
    [
        # escaped references stay, for the shell
        ({"A": "x", "B": "$$A %%A%% $A"}, {"A": "x", "B": "$$A %%A%% x"}),
        ({"A": "${}"}, {"A": "${}"}),
        # in whatever order they are written
        ({"C": "$B", "B": "$A", "A": "x"}, {"C": "x", "B": "x", "A": "x"}),
        # a variable that names itself has no value yet
        ({"PATH": "/bin:$PATH"}, {"PATH": "/bin:"}),
    ],
)
def test_variables(variables: dict[str, str], values: dict[str, str]) -> None:
    given = [ScopedVariable(key=key, value=value) for key, value in variables.items()]
    assert {variable.key: variable.value for variable in expand_all(given)} == values


def test_an_override_can_refer_to_what_it_overrides() -> None:
    given = [ScopedVariable(key="A", value="x"), ScopedVariable(key="A", value="$A:y")]
    assert [variable.value for variable in expand_all(given)] == ["x", "x:y"]


def test_a_raw_value_is_not_looked_into() -> None:
    given = [
        ScopedVariable(key="RAW", value="$A", raw=True),
        ScopedVariable(key="A", value="$RAW"),
    ]
    assert [variable.value for variable in expand_all(given)] == ["$A", "$A"]


@pytest.mark.parametrize(
    ("value", "expanded"),
    [("$HELM/**", "helm/**"), ("$NONE/x", "$NONE/x"), ("plain", "plain"), ("$L1", "$L2")],
)
def test_nested(value: str, expanded: str) -> None:
    variables = {"HELM": "he$SUFFIX", "SUFFIX": "lm", "L1": "$L2", "L2": "$L1"}
    assert expand_nested(value, variables) == expanded


def test_references_are_listed_once() -> None:
    assert references("$A ${B} %C% $A") == ("A", "B", "C")


def test_all_cycles_are_named() -> None:
    given = [
        ScopedVariable(key=key, value=value)
        for key, value in {"A": "$B", "B": "$A", "C": "$D", "D": "$C", "E": "$E"}.items()
    ]
    with pytest.raises(CycleError) as caught:
        expand_all(given)
    assert caught.value.problems[0].message == (
        'circular variable reference detected: ["A", "B"], ["C", "D"]'
    )


def test_a_doubling_bomb_is_stopped() -> None:
    bomb = [ScopedVariable(key="A0", value="x" * 10)]
    bomb += [ScopedVariable(key=f"A{i}", value=f"$A{i - 1}" * 2) for i in range(1, 60)]
    with pytest.raises(ExpansionError, match="expand to more than"):
        expand_all(bomb)


def test_a_long_chain_needs_no_recursion() -> None:
    chain = [ScopedVariable(key=f"A{i}", value=f"$A{i + 1}") for i in range(20_000)]
    chain.append(ScopedVariable(key="A20000", value="end"))
    assert {variable.value for variable in expand_all(chain)} == {"end"}
