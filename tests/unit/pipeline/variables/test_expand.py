import pytest

from homeport.pipeline.model.plan import ScopedVariable
from homeport.pipeline.variables.expand import (
    CycleError,
    ExpansionError,
    expand,
    expand_all,
    expand_nested,
    references,
)


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
