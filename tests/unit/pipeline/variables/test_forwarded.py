"""What a trigger job hands on, in GitLab's order and with its expansion."""

from collections.abc import Mapping

import pytest

from homeport.pipeline.model.plan import ScopedVariable, TriggerPlan
from homeport.pipeline.model.trigger import GivenVariable, Level
from homeport.pipeline.variables.expand import ExpansionError
from homeport.pipeline.variables.forwarded import forwarded_variables


def var(key: str, value: str, *, raw: bool = False, file: bool = False) -> ScopedVariable:
    return ScopedVariable(key=key, value=value, raw=raw, file=file)


def forwarded(
    *written: ScopedVariable,
    job: tuple[ScopedVariable, ...] = (),
    dotenv: Mapping[str, str] = {},
    pipeline: tuple[GivenVariable, ...] = (),
    forward: Mapping[str, bool] = {},
) -> dict[str, GivenVariable]:
    trigger = TriggerPlan(variables=written, forward=forward)
    found = forwarded_variables(trigger, job=(*job, *written), dotenv=dotenv, pipeline=pipeline)
    assert all(variable.level == Level.FORWARDED for variable in found)
    return {variable.key: variable for variable in found}


def values(found: Mapping[str, GivenVariable]) -> dict[str, str]:
    return {key: variable.value for key, variable in found.items()}


def test_values_are_expanded_with_all_that_the_job_has_and_unknown_ones_are_empty() -> None:
    found = forwarded(
        var("A", "$CI_X/$B/$NOBODY"),
        var("B", "b${DOT}"),
        job=(var("CI_X", "x"),),
        dotenv={"DOT": "!"},
    )
    assert values(found) == {"A": "x/b!/", "B": "b!"}


def test_predefined_and_dotenv_variables_stay_behind() -> None:
    assert forwarded(job=(var("CI_X", "x"),), dotenv={"DOT": "1"}) == {}


def test_a_raw_value_stays_as_it_is() -> None:
    found = forwarded(var("A", "$CI_X", raw=True), job=(var("CI_X", "x"),))
    assert (found["A"].value, found["A"].expand) == ("$CI_X", False)


def test_a_file_variable_that_is_referred_to_goes_along() -> None:
    found = forwarded(var("A", "at $KEY"), job=(var("KEY", "secret", file=True),))
    assert values(found) == {"A": "at $KEY", "KEY": "secret"}
    assert found["KEY"].file
    assert not found["A"].file


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ({}, {"YAML": "y", "BOTH": "yaml"}),
        ({"yaml_variables": False}, {}),
        ({"pipeline_variables": True},
         {"YAML": "y", "BOTH": "pipeline", "DOT": "d", "GIVEN": "g"}),
        ({"yaml_variables": False, "pipeline_variables": True},
         {"BOTH": "pipeline", "DOT": "d", "GIVEN": "g"}),
    ],
)  # fmt: skip
def test_what_is_forwarded(forward: Mapping[str, bool], expected: dict[str, str]) -> None:
    found = forwarded(
        var("YAML", "y"),
        var("BOTH", "yaml"),
        dotenv={"DOT": "d"},
        pipeline=(
            GivenVariable(key="GIVEN", value="g"),
            GivenVariable(key="BOTH", value="pipeline"),
        ),
        forward=forward,
    )
    assert values(found) == expected


def test_a_circle_is_refused() -> None:
    with pytest.raises(ExpansionError, match="circular"):
        forwarded(var("A", "$B"), var("B", "$A"))
