"""The names of resource groups, as GitLab makes them of variables."""

import pytest

from homeport.pipeline.model.plan import ScopedVariable
from homeport.pipeline.plan.resource_group import group_of

VARIABLES = (
    ScopedVariable(key="CI_ENVIRONMENT_NAME", value="staging"),
    ScopedVariable(key="NESTED", value="${CI_ENVIRONMENT_NAME}_nested"),
    ScopedVariable(key="EMPTY", value=""),
    ScopedVariable(key="SECRET", value="hush-hush", masked=True),
)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (None, None),
        ("", None),
        ("production", "production"),
        ("$CI_ENVIRONMENT_NAME/db", "staging/db"),
        ("$NESTED", "staging_nested"),
        ("$EMPTY$UNKNOWN", None),
    ],
)
def test_a_name_is_expanded(written: str | None, name: str | None) -> None:
    assert group_of(written, VARIABLES) == name


def test_a_masked_value_is_not_in_it() -> None:
    name = group_of("db-$SECRET", VARIABLES)
    assert name is not None
    assert "hush" not in name
    assert name != group_of("db-$SECRET", VARIABLES[:3])
