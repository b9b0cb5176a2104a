"""gitlab-ci-local's variable files: their formats, levels and scopes, and what is refused."""

from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from homeport.errors import UsageError
from homeport.pipeline.facts import variable_files
from homeport.pipeline.facts.given import give_variables
from homeport.pipeline.facts.variable_files import VariableFiles, read_variable_files
from homeport.pipeline.model.trigger import GivenVariable, Level, Project, Trigger
from homeport.pipeline.variables.scoped import choose, chosen_values
from homeport.settings.model import Settings, SettingsVariable

PROJECT = Project(host="gitlab.com", path="group/sub/project")


class Disk:
    """A repository and a home that hold one variable file each, or none."""

    def __init__(self, tmp: Path) -> None:
        self.root = tmp / "repository"
        self.home = tmp / "home"
        (self.home / ".gitlab-ci-local").mkdir(parents=True)
        self.root.mkdir()

    def flat(self, text: str) -> "Disk":
        (self.root / ".gitlab-ci-local-variables.yml").write_text(text)
        return self

    def levels(self, text: str) -> "Disk":
        (self.home / ".gitlab-ci-local/variables.yml").write_text(text)
        return self

    def read(self, project: Project | None = PROJECT) -> VariableFiles:
        return read_variable_files(self.root, str(self.home), project)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("# nothing\n", {}),
        ("A: text\nB: 'quoted'", {"A": "text", "B": "quoted"}),
        ("N: 1.10\nO: 0777\nY: yes\nE:\nT: 2026-01-01", {"N": "1.10", "O": "0777", "Y": "yes",
                                                          "E": "", "T": "2026-01-01"}),
        ("M: |\n  one\n  two\n", {"M": "one\ntwo\n"}),
        ("A: &x text\nB: *x", {"A": "text", "B": "text"}),
        ("R: /api/v1", {"R": "/api/v1"}),
        ("A=1\nB=two words\n", {"A": "1", "B": "two words"}),
        ("export A=1\n# comment\nB='x # y'\nC=x # y\n", {"A": "1", "B": "x # y", "C": "x"}),
        ('A="one\\ntwo"\nB="a\nb"\nC=\n', {"A": "one\ntwo", "B": "a\nb", "C": ""}),
        ("not a variable\nA=1", {"A": "1"}),
        ("A=: [\nB=2", {"A": ": [", "B": "2"}),
    ],
)  # fmt: skip
def test_the_repository_s_file(disk: Disk, text: str, values: dict[str, str]) -> None:
    found = disk.flat(text).read()
    assert {variable.key: variable.value for variable in found.variables} == values
    assert {(v.scope, v.level, v.file) for v in found.variables} <= {
        ("*", Level.REPOSITORY_FILE, False)
    }


SCOPED = """
V:
  type: variable
  values:
    '*': all
    production: prod
    review/*: review
F:
  type: file
  values: {'*': "content\\n"}
D: {values: {prod*: default type}}
"""


@pytest.mark.parametrize(
    ("environment", "values"),
    [
        (None, {"V": "all", "F": "content\n"}),
        ("production", {"V": "prod", "F": "content\n", "D": "default type"}),
        ("review/x", {"V": "review", "F": "content\n"}),
    ],
)
def test_environment_scopes(disk: Disk, environment: str | None, values: dict[str, str]) -> None:
    found = choose(disk.flat(SCOPED).read().variables, environment)
    assert {key: variable.value for key, variable in found.items()} == values
    assert [key for key, variable in found.items() if variable.file] == ["F"]


LEVELS = """
global: {A: global, B: global, C: global}
group:
  gitlab.com/group: {B: group, G: group}
  gitlab.com/group/sub/: {G: subgroup, C: subgroup}
  gitlab.com/gro: {A: part of a name}
  other.com/group: {A: other host}
project:
  gitlab.com/group/sub/project.git: {C: project}
  gitlab.com:group/sub/project.git: {D: colon}
  group/sub/project: {E: no host}
  gitlab.com/group/sub/proj: {A: part of a name}
  gitlab.com/group/sub/project2: {A: another project}
"""


@pytest.mark.parametrize(
    ("project", "values"),
    [
        (
            PROJECT,
            {"A": "global", "B": "group", "G": "subgroup", "C": "project", "D": "colon",
             "E": "no host"},
        ),
        (
            Project(host="gitlab.com:8443", path="Group/x"),
            {"A": "global", "B": "group", "C": "global", "G": "group"},
        ),
        (
            Project(host="evil.com", path="gitlab.com/group/sub/project"),
            {"A": "global", "B": "global", "C": "global"},
        ),
        (None, {"A": "global", "B": "global", "C": "global"}),
    ],
)  # fmt: skip
def test_levels(disk: Disk, project: Project | None, values: dict[str, str]) -> None:
    assert chosen_values(disk.levels(LEVELS).read(project).variables, None) == values


def test_the_repository_s_file_wins(disk: Disk) -> None:
    disk.levels("project: {gitlab.com/group/sub/project: {A: home, B: home}}").flat("A: own")
    assert chosen_values(disk.read().variables, None) == {"A": "own", "B": "home"}


def test_a_path_of_the_user_is_a_file(disk: Disk) -> None:
    (disk.home / "key").write_text("secret\n")
    text = f"global: {{K: ~/key, P: {disk.home}/key, N: ~/none, X: /no/such, S: ~tilde}}"
    found = disk.levels(text).read()
    assert [(v.key, v.value, v.file) for v in found.variables] == [
        ("K", "secret\n", True),
        ("P", "secret\n", True),
        ("N", "~/none", False),
        ("X", "/no/such", False),
        ("S", "~tilde", False),
    ]
    assert [problem.message for problem in found.problems] == [
        "N is the text ~/none: there is no such file"
    ]


def test_a_repository_may_not_name_files_of_the_user(disk: Disk) -> None:
    (disk.home / "key").write_text("secret\n")
    found = disk.flat(f"K: ~/key\nP: {disk.home}/key\n").read()
    assert [(v.key, v.file) for v in found.variables] == [("K", False), ("P", False)]
    assert "secret" not in str(found)
    assert [str(problem.span) for problem in found.problems] == [
        ".gitlab-ci-local-variables.yml:1:1",
        ".gitlab-ci-local-variables.yml:2:1",
    ]


def test_another_word_is_not_read_and_said(disk: Disk) -> None:
    found = disk.levels("A: x\nglobal: {B: y}").read()
    assert chosen_values(found.variables, None) == {"B": "y"}
    [note] = found.problems
    assert str(note.span) == "~/.gitlab-ci-local/variables.yml:1:1"
    assert note.message == "A is none of project, group and global, and is not read"


def test_a_link_of_the_repository_is_not_followed(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "outside.yml").write_text("A: stolen\n")
    (disk.root / ".gitlab-ci-local-variables.yml").symlink_to(tmp_path / "outside.yml")
    assert disk.read().variables == ()


@pytest.mark.parametrize(
    ("where", "text", "message"),
    [
        ("flat", "- a\n- b\n", "variables must be a mapping of names to values"),
        ("flat", "1A: x", "1A is not the name of a variable"),
        ("flat", "A: [x]", "A must be a text, or have type and values"),
        ("flat", "A: {type: secret, values: {'*': x}}", "the type of A must be variable or file"),
        ("flat", "A: {type: file}", "the values of A must map environment scopes to texts"),
        ("flat", "A: {values: {'*': [x]}}", "the values of A must map environment scopes to"),
        ("levels", "just text", "the file must hold project:, group: or global:"),
        ("levels", "global: [", "not valid YAML"),
        ("levels", "global: text", "variables must be a mapping"),
    ],
)
def test_a_broken_file_is_refused(disk: Disk, where: str, text: str, message: str) -> None:
    getattr(disk, where)(text)
    with pytest.raises(UsageError, match=r"variables\.yml:") as caught:
        disk.read()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "A: " + "[" * 100_000,
        "a: &a [x,x,x,x,x,x,x,x]\n"
        + "".join(f"b{i}: &b{i} [{', '.join([f'*{p}'] * 8)}]\n"
                  for i, p in enumerate(["a", *(f"b{i}" for i in range(20))])),
        "A: &a {values: *a}",
        "A='" + "\\" * 200_000,
        "\0",
    ],
)  # fmt: skip
def test_hostile_files_end_soon(disk: Disk, text: str) -> None:
    started = monotonic()
    with suppress(UsageError):
        disk.flat(text).read()
    assert monotonic() - started < 5


def test_a_huge_file_is_refused(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variable_files, "MAX_SIZE", 10)
    with pytest.raises(UsageError, match="larger than 10 bytes"):
        disk.flat("A: 0123456789").read()


def test_settings_win_and_name_what_is_secret(disk: Disk) -> None:
    disk.flat("A: file\nMY_TOKEN: hidden\nNAMED: hidden\nPLAIN: shown\n")
    settings = Settings(
        variables={
            "A": SettingsVariable(value="settings", environments={"prod": "settings of prod"}),
            "B": SettingsVariable(value="$x", expand=False, file=True, masked=True),
        },
        masked=frozenset({"NAMED"}),
    )
    trigger = Trigger(root=str(disk.root), project=PROJECT)
    given = give_variables(trigger, settings, str(disk.home)).trigger
    assert chosen_values(given.variables, None)["A"] == "settings"
    assert chosen_values(given.variables, "prod")["A"] == "settings of prod"
    assert given.variables[-1] == GivenVariable(key="B", value="$x", expand=False, file=True)
    assert given.masked == {"B", "MY_TOKEN", "NAMED"}


@pytest.mark.parametrize("home", [None, "", "/no/such/home"])
def test_without_files_there_is_nothing(tmp_path: Path, home: Any) -> None:
    given = give_variables(Trigger(root=str(tmp_path)), Settings(), home)
    assert given.trigger.variables == ()
    assert given.problems == ()
