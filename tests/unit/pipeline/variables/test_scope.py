import pytest

from homeport.pipeline.model.config import Variable
from homeport.pipeline.model.plan import ScopedVariable
from homeport.pipeline.variables.scope import compose


def values(**given: str) -> dict[str, Variable]:
    return {key: Variable(value=value) for key, value in given.items()}


def test_later_kinds_win() -> None:
    found = compose(
        {"A": "predefined", "B": "predefined", "C": "predefined", "D": "predefined", "E": "p"},
        global_variables=values(B="global", C="global", D="global", E="global"),
        job_variables=values(C="job", D="job", E="job"),
        dotenv={"D": "dotenv", "E": "dotenv"},
        user=values(E="user"),
    )
    assert {variable.key: variable.value for variable in found} == {
        "A": "predefined",
        "B": "global",
        "C": "job",
        "D": "dotenv",
        "E": "user",
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
        job_variables={"RAW": Variable(value="$A", expand=False)},
        dotenv={"ENV": "$A"},
        user={**values(HIDDEN="s", CERT="c"), "USER_RAW": Variable(value="$", expand=False)},
        masked=frozenset({"HIDDEN"}),
        files=frozenset({"CERT"}),
    )
    assert found == (
        ScopedVariable(key="RAW", value="$A", raw=True),
        ScopedVariable(key="ENV", value="$A"),
        ScopedVariable(key="HIDDEN", value="s", masked=True),
        ScopedVariable(key="CERT", value="c", file=True),
        ScopedVariable(key="USER_RAW", value="$", raw=True),
    )
