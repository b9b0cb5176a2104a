import pytest

from homeport.pipeline.model.trigger import GivenVariable, Level
from homeport.pipeline.variables.scoped import choose, chosen_values, matches_scope


@pytest.mark.parametrize(
    ("scope", "environment", "matches"),
    [
        ("*", None, True),
        ("*", "production", True),
        ("production", "production", True),
        ("production", None, False),
        ("Production", "production", False),
        ("review", "review/app", False),
        ("review/*", "review/app", True),
        ("review/*", "review/", True),
        ("review/*", "review", False),
        ("*/app", "review/app", True),
        ("r*w/*", "review/app", True),
        ("r*w/*pp", "review/app", True),
        ("a*a", "a", False),
        ("a*ab*b", "ab", False),
        ("re_iew", "review", False),
        ("re.iew", "review", False),
    ],
)
def test_scopes(scope: str, environment: str | None, matches: bool) -> None:
    assert matches_scope(scope, environment) is matches


def test_a_hostile_scope_costs_no_time() -> None:
    assert not matches_scope("*a" * 5_000 + "b", "a" * 20_000)


SCOPED = (
    GivenVariable(key="V", value="all"),
    GivenVariable(key="V", value="exact", scope="review/app"),
    GivenVariable(key="V", value="wide", scope="r*"),
    GivenVariable(key="V", value="narrow", scope="review/*"),
    GivenVariable(key="ONLY", value="prod", scope="production"),
)


@pytest.mark.parametrize(
    ("environment", "values"),
    [
        (None, {"V": "all"}),
        ("other", {"V": "all"}),
        ("review/app", {"V": "exact"}),
        ("review/x", {"V": "narrow"}),
        ("rest", {"V": "wide"}),
        ("production", {"V": "all", "ONLY": "prod"}),
    ],
)
def test_the_most_specific_scope_wins(environment: str | None, values: dict[str, str]) -> None:
    assert chosen_values(SCOPED, environment) == values
    assert chosen_values(reversed(SCOPED), environment) == values


def test_a_higher_level_wins_whatever_the_scope() -> None:
    given = (
        GivenVariable(key="V", value="project", level=Level.PROJECT),
        GivenVariable(key="V", value="group", scope="prod", level=Level.GROUP),
    )
    assert chosen_values(given, "prod") == {"V": "project"}


def test_of_two_alike_the_later_wins() -> None:
    given = (GivenVariable(key="V", value="1"), GivenVariable(key="V", value="2", file=True))
    assert choose(given, None) == {"V": given[1]}
