import pytest

from homeport.pipeline.model.config import Variable
from homeport.pipeline.model.plan import ScopedVariable
from homeport.pipeline.variables.scope import compose


def values(**given: str) -> dict[str, Variable]:
    return {key: Variable(value=value) for key, value in given.items()}


def test_later_kinds_win() -> None:
    found = compose(
        {"A": "predefined", "B": "predefined", "C": "predefined"},
        global_variables=values(B="global", C="global"),
        job_variables=values(C="job"),
    )
    assert {variable.key: variable.value for variable in found} == {
        "A": "predefined",
        "B": "global",
        "C": "job",
    }


@pytest.mark.parametrize(
    ("inherit", "keys"), [(True, ["A", "B"]), (False, []), (("B", "Z"), ["B"]), ((), [])]
)
def test_inherit(inherit: bool | tuple[str, ...], keys: list[str]) -> None:
    found = compose({}, global_variables=values(A="1", B="2"), inherit=inherit)
    assert [variable.key for variable in found] == keys


def test_flags_are_kept() -> None:
    found = compose(
        {},
        global_variables=values(HIDDEN="s"),
        job_variables={"RAW": Variable(value="$A", expand=False)},
        masked=frozenset({"HIDDEN"}),
    )
    assert found == (
        ScopedVariable(key="HIDDEN", value="s", masked=True),
        ScopedVariable(key="RAW", value="$A", raw=True),
    )
