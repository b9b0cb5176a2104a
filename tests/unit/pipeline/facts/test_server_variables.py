"""The variables of a project and its groups from a fake server: which there are, and which win."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from homeport.errors import MissingError
from homeport.gitlab.host import Host
from homeport.pipeline.facts.given import give_variables
from homeport.pipeline.model.trigger import Project, Trigger
from homeport.pipeline.variables.scoped import choose
from homeport.settings.model import Settings, SettingsVariable, VariablesFrom
from testbed.gitlab import FakeGitLab, fake_gitlab
from testbed.web import Answer

TOKEN = "t-secret"  # noqa: S105 - a test's
ENV = {
    "T": TOKEN,
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "HOME": "/nowhere",
}
IN_GROUP = {"namespace": {"kind": "group", "full_path": "top/sub"}}


def entry(key: str, value: str | None, **more: Any) -> dict[str, Any]:
    return {"key": key, "value": value, **more}


ANSWERS: dict[str, Any] = {
    "/projects/top/sub/app": IN_GROUP,
    "/projects/top/sub/app/variables": [
        entry("A", "project"),
        entry("SCOPED", "all"),
        entry("SCOPED", "review", environment_scope="review/*"),
        entry("SCOPED", "exact", environment_scope="review/one"),
        entry("KEY", "content", variable_type="file", masked=True),
        entry("RAW", "$A", raw=True),
        entry("GUARDED", "g", protected=True),
        entry("HIDDEN", None, hidden=True),
        entry("OWN", "server"),
    ],
    "/groups/top/variables": [
        entry("A", "top"),
        entry("B", "top"),
        entry("C", "top"),
        entry("A", "of review", environment_scope="review/*"),
    ],
    "/groups/top/sub/variables": [entry("A", "sub"), entry("B", "sub")],
    "/projects/top/sub/app/repository/branches/main": {"name": "main", "protected": True},
    "/projects/top/sub/app/repository/branches/topic": {"name": "topic", "protected": False},
    "/projects/top/sub/app/repository/tags/v1": {"name": "v1", "protected": True},
}


@pytest.fixture
def fake() -> Iterator[FakeGitLab]:
    with fake_gitlab(ANSWERS, token=TOKEN) as server:
        yield server


def give(
    fake: FakeGitLab, *, own: Mapping[str, SettingsVariable] | None = None, **trigger: Any
) -> tuple[Trigger, list[str]]:
    settings = Settings(
        variables_from=VariablesFrom.GITLAB,
        hosts={fake.host: Host(token_env="T")},  # noqa: S106 - a name
        variables=own or {},
    )
    project = Project(host=fake.host, path="top/sub/app", protocol="http")
    wanted = {"branch": "main", **trigger}
    given = give_variables(Trigger(root="/nowhere", project=project, **wanted), settings, None, ENV)
    return given.trigger, [problem.message for problem in given.problems]


def values(trigger: Trigger, environment: str | None = None) -> dict[str, str]:
    return {key: found.value for key, found in choose(trigger.variables, environment).items()}


def test_the_project_wins_over_the_nearest_group_over_the_outer_one(fake: FakeGitLab) -> None:
    trigger, _ = give(fake, own={"OWN": SettingsVariable(value="mine")})
    found = values(trigger)
    assert {key: found[key] for key in ("A", "B", "C", "OWN")} == {
        "A": "project",
        "B": "sub",
        "C": "top",
        "OWN": "mine",
    }


@pytest.mark.parametrize(
    ("environment", "expected"),
    [(None, "all"), ("production", "all"), ("review/two", "review"), ("review/one", "exact")],
)
def test_the_environment_chooses_within_a_level(
    fake: FakeGitLab, environment: str | None, expected: str
) -> None:
    found = values(give(fake)[0], environment)
    assert found["SCOPED"] == expected
    assert found["A"] == "project"


def test_a_variable_keeps_its_kind(fake: FakeGitLab) -> None:
    trigger, notes = give(fake)
    found = choose(trigger.variables, None)
    assert [key for key, variable in found.items() if variable.file] == ["KEY"]
    assert [key for key, variable in found.items() if not variable.expand] == ["RAW"]
    assert trigger.masked == {"KEY", "HIDDEN"}
    assert "HIDDEN" not in found
    assert notes == ["variable HIDDEN left out: hidden, so the server tells nobody the value"]


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        ({"branch": "main"}, True),
        ({"branch": "topic"}, False),
        ({"branch": "not-pushed"}, False),
        ({"branch": None, "tag": "v1"}, True),
        ({"branch": None, "tag": "main"}, False),
        ({"branch": None}, False),
    ],
    ids=str,
)
def test_protected_ones_are_for_protected_refs(
    fake: FakeGitLab, wanted: dict[str, str | None], there: bool
) -> None:
    trigger, notes = give(fake, **wanted)
    assert ("GUARDED" in values(trigger)) is there
    assert any(note.startswith("variable GUARDED left out: protected") for note in notes) is not (
        there
    )


def test_a_users_own_project_has_no_groups(fake: FakeGitLab) -> None:
    fake.answers["/projects/top/sub/app"] = {"namespace": {"kind": "user", "full_path": "top"}}
    trigger, _ = give(fake)
    assert values(trigger)["A"] == "project"
    assert [path for path in fake.asked() if "/groups/" in path] == []


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_group_that_may_not_be_read_is_left_out_with_a_note(
    fake: FakeGitLab, status: int
) -> None:
    fake.answers["/groups/top/variables"] = Answer(status)
    trigger, notes = give(fake)
    assert "C" not in values(trigger)
    assert values(trigger)["B"] == "sub"
    assert any("the variables of the group top" in note for note in notes)


def test_a_project_that_may_not_be_read_is_an_error(fake: FakeGitLab) -> None:
    fake.answers["/projects/top/sub/app/variables"] = Answer(403)
    with pytest.raises(MissingError, match=r"of top/sub/app on .* forbidden") as error:
        give(fake)
    assert TOKEN not in str(error.value.problems)


def test_without_a_server_the_wish_is_an_error() -> None:
    settings = Settings(variables_from=VariablesFrom.GITLAB)
    for project in (None, Project(host="gitlab.invalid", path="local/x")):
        with pytest.raises(MissingError, match="no remote on a server"):
            give_variables(Trigger(root="/nowhere", project=project), settings, None, ENV)


def test_nobody_is_asked_without_the_wish(fake: FakeGitLab) -> None:
    project = Project(host=fake.host, path="top/sub/app", protocol="http")
    given = give_variables(Trigger(root="/nowhere", project=project), Settings(), None, ENV)
    assert given.trigger.variables == ()
    assert fake.asked() == []
