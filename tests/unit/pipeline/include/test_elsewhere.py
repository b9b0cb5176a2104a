"""Includes from elsewhere in the expansion, on files in memory."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from homeport.errors import Problem, Severity, UsageError
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.document.load import load
from homeport.pipeline.include.api import (
    Expanded,
    Fetched,
    IncludeContext,
    UnreachedError,
    Wanted,
)
from homeport.pipeline.include.expand import expand_includes
from homeport.pipeline.include.location import LocationError, seconds_of_cache

NO_HEADER = "Given inputs not defined in the `spec` section of the included configuration file"
NO_SPEC_INCLUDE = "cannot use `spec:include`. This keyword is not supported in components"
UNIQUE = "Input keys must be unique across all included files and inline specifications."
SUBKEYS = (
    "does not have a valid subkey for header include. "
    "Valid subkeys are: `local`, `remote`, `project`"
)


class Files:
    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def read(self, path: str) -> bytes | None:
        text = self._files.get(path)
        if text == "unreached":
            raise UnreachedError("no answer")
        return None if text is None else text.encode()

    def paths(self) -> tuple[str, ...]:
        if "*" in self._files:
            raise UnreachedError("no answer")
        return tuple(self._files)


class Elsewhere:
    """`projects` by name, single `files` by name; all else is not reached."""

    def __init__(self, projects: Mapping[str, Mapping[str, str]], files: Mapping[str, str]) -> None:
        self._projects = projects
        self._files = files
        self.prepared: list[str] = []
        self.wanted: list[Wanted] = []

    def prepare(self, wanted: Sequence[Wanted]) -> None:
        self.prepared += [each.name for each in wanted]

    def fetch(self, wanted: Wanted) -> Fetched:
        self.wanted.append(wanted)
        if wanted.kind in ("project", "component"):
            name = wanted.project or wanted.name
            if name not in self._projects:
                raise UnreachedError(f"{name} is far away")
            source = Files(self._projects[name])
            content = source.read(wanted.name if wanted.project else "main.yml")
            if content is None:
                raise LocationError(f"Project `{name}` file `{wanted.name}` does not exist!")
            return Fetched(
                content=content,
                name=f"{name}:{wanted.name}",
                prefix=f"{name}:",
                source=source,
                component={"name": "c", "version": "1.0.0"},
            )
        if wanted.name not in self._files:
            raise UnreachedError(f"{wanted.name} is far away")
        return Fetched(
            content=self._files[wanted.name].encode(),
            name=wanted.name,
            note="it is old" if "old" in wanted.name else None,
        )


def expand(
    root: str,
    *,
    local: Mapping[str, str] | None = None,
    projects: Mapping[str, Mapping[str, str]] | None = None,
    files: Mapping[str, str] | None = None,
    **context: Any,
) -> tuple[Expanded, Elsewhere]:
    elsewhere = Elsewhere(projects or {}, files or {})
    found = expand_includes(
        load(root.encode(), ".gitlab-ci.yml"),
        Files(local or {}),
        IncludeContext(**context),
        lambda: elsewhere,
    )
    return found, elsewhere


def problems(root: str, **files: Any) -> tuple[Problem, ...]:
    with pytest.raises(UsageError) as raised:
        expand(root, **files)
    return raised.value.problems


def test_local_includes_of_a_project_are_of_that_project() -> None:
    project = {"a.yml": "include: [/b.yml, 'c*.yml']\na: 1", "b.yml": "b: p", "c1.yml": "c: p"}
    found, _ = expand(
        "include: [{project: g/p, file: a.yml}, b.yml]\nr: 1",
        local={"b.yml": "own: 1", "c1.yml": "c: own"},
        projects={"g/p": project},
    )
    assert found.content == {"b": "p", "c": "p", "a": 1, "own": 1, "r": 1}
    assert found.files == (".gitlab-ci.yml", "g/p:a.yml", "g/p:b.yml", "g/p:c1.yml", "b.yml")
    assert [str(span) for span in found.chains["g/p:b.yml"]] == [
        "g/p:a.yml:1:11",
        ".gitlab-ci.yml:1:11",
    ]


def test_the_later_include_wins_wherever_it_is_from() -> None:
    found, _ = expand(
        "include: [{remote: 'https://h/r.yml'}, x.yml, {project: g/p, file: p.yml}]\nz: root",
        local={"x.yml": "a: local\nb: local"},
        projects={"g/p": {"p.yml": "b: project\nz: project"}},
        files={"https://h/r.yml": "a: remote\nc: remote"},
    )
    assert found.content == {"a": "local", "c": "remote", "b": "project", "z": "root"}


def test_all_of_one_file_is_prepared_before_the_first_is_read() -> None:
    _, elsewhere = expand(
        "include: ['https://h/a.yml', x.yml, {project: g/p, file: [b.yml, c.yml]}]\nz: 1",
        local={"x.yml": "x: 1"},
    )
    assert elsewhere.prepared == ["https://h/a.yml", "b.yml", "c.yml"]


def test_nothing_is_opened_for_local_files() -> None:
    def refuse() -> Elsewhere:
        raise AssertionError

    document = load(b"include: x.yml\na: 1", ".gitlab-ci.yml")
    found = expand_includes(document, Files({"x.yml": "b: 1"}), IncludeContext(), refuse)
    assert found.content == {"b": 1, "a": 1}


def test_all_that_is_not_reached_is_named_at_once() -> None:
    found, _ = expand(
        "include:\n"
        "  - {project: g/gone, file: [a.yml, b.yml], ref: v1}\n"
        "  - https://h/gone.yml\n"
        "  - {template: T.gitlab-ci.yml}\n"
        "  - {component: h/g/c/x@1}\n"
        "  - {project: g/p, file: p.yml}\n"
        "  - {project: g/$WHO, file: p.yml}\n"
        "z: 1\n",
        projects={"g/p": {"p.yml": "include: [deep.yml, 'x*.yml']\nin: 1",
                          "deep.yml": "unreached", "*": ""}},
    )  # fmt: skip
    assert found.content == {"in": 1, "z": 1}
    shown = [
        (each.kind, each.location, each.project, each.ref, str(each.span), each.reason)
        for each in found.missing
    ]
    assert shown == [
        ("project", "a.yml", "g/gone", "v1", ".gitlab-ci.yml:2:30", "g/gone is far away"),
        ("project", "b.yml", "g/gone", "v1", ".gitlab-ci.yml:2:37", "g/gone is far away"),
        ("remote", "https://h/gone.yml", None, None, ".gitlab-ci.yml:3:5",
         "https://h/gone.yml is far away"),
        ("template", "T.gitlab-ci.yml", None, None, ".gitlab-ci.yml:4:5",
         "T.gitlab-ci.yml is far away"),
        ("component", "h/g/c/x@1", None, None, ".gitlab-ci.yml:5:5", "h/g/c/x@1 is far away"),
        ("local", "x*.yml", None, None, "g/p:p.yml:1:21", "no answer"),
        ("local", "deep.yml", None, None, "g/p:p.yml:1:11", "no answer"),
        ("project", "p.yml", "g/", "HEAD", ".gitlab-ci.yml:7:5",
         "it depends on variables that are not known here: $WHO"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ("'https://h/local.yml'", "Local file `x.yml` does not have project!"),
        ("'https://h/glob.yml'", "Local file `x*.yml` does not have project!"),
        ("'https://h/component.yml'", "Unable to use components outside of a project context"),
        ("'https://h/empty.yml'",
         "Included file `https://h/empty.yml` is empty or does not exist!"),
        ("'https://h/list.yml'", "`https://h/list.yml`: Invalid configuration format"),
        ("{project: g/p, file: empty.yml}", "Project `g/p` file `empty.yml` is empty!"),
        ("{project: g/p, file: gone.yml}", "Project `g/p` file `gone.yml` does not exist!"),
        ("{project: g/p, file: x.txt}", "Included file `x.txt` does not have YAML extension!"),
        ("{project: g/p, file: inner.yml}", "Local file `gone.yml` does not exist!"),
        ("{project: g/p, file: a.yml, inputs: {a: 1}}",
         f"`a.yml`: {NO_HEADER}"),
        ("{component: h/empty/c@1}", "Component 'h/empty/c@1' - content not found"),
        ("{component: h/header/c@1}",
         f"Component `h/header/c@1` {NO_SPEC_INCLUDE}"),
        ("{local: x.yml, integrity: sha256-AAAA}",
         "include config integrity can only be specified for remote includes"),
        ("{remote: 'https://h/a.yml', integrity: sha512-AAAA}",
         "include config integrity hash must start with 'sha256-'"),
        ("{remote: 'https://h/a.yml', integrity: 'sha256-A!'}",
         "include config integrity hash must be base64 encoded"),
    ],
)  # fmt: skip
def test_errors_in_gitlabs_words(include: str, message: str) -> None:
    (problem,) = problems(
        f"include: [{include}]\nz: 1",
        local={"x.yml": "a: 1"},
        projects={
            "g/p": {"a.yml": "a: 1", "empty.yml": " ", "inner.yml": "include: gone.yml"},
            "h/empty/c@1": {"main.yml": ""},
            "h/header/c@1": {"main.yml": "spec: {include: [a.yml]}\n---\na: 1"},
        },
        files={
            "https://h/local.yml": "include: x.yml",
            "https://h/glob.yml": "include: 'x*.yml'",
            "https://h/component.yml": "include: {component: h/empty/c@1}",
            "https://h/empty.yml": "",
            "https://h/list.yml": "[a]",
        },
    )
    assert problem.message == message


def test_a_remote_file_sees_no_variables_for_what_it_includes() -> None:
    found, elsewhere = expand(
        "include: 'https://h/a.yml'",
        files={"https://h/a.yml": "include: 'https://h/$NAME.yml'\na: 1"},
        variables={"NAME": "b"},
    )
    assert [each.name for each in elsewhere.wanted] == ["https://h/a.yml"]
    assert "$NAME" in found.missing[0].reason


def test_a_component_and_its_own_files_know_what_it_is() -> None:
    header = "spec: {component: [name, version]}\n---\n"
    found, _ = expand(
        "include: {component: h/g/c/x@1}",
        projects={
            "h/g/c/x@1": {
                "main.yml": f"{header}include: part.yml\n'$[[ component.name ]]': 1",
                "part.yml": f"{header}'$[[ component.version ]]': 1",
            }
        },
    )
    assert found.content == {"1.0.0": 1, "c": 1}


def test_a_note_of_a_file_is_a_note_of_the_pipeline() -> None:
    found, _ = expand("include: 'https://h/old.yml'", files={"https://h/old.yml": "a: 1"})
    (note,) = found.problems
    assert (note.severity, note.message, str(note.span)) == (
        Severity.NOTE,
        "it is old",
        ".gitlab-ci.yml:1:10",
    )


def test_more_includes_than_allowed_from_elsewhere() -> None:
    root = "include: 'https://h/a.yml'"
    circle = {"https://h/a.yml": "include: 'https://h/a.yml'\na: 1"}
    found = problems(root, files=circle, limits=Limits(includes=5))
    assert [each.message for each in found] == ["Maximum of 5 nested includes are allowed!"]


HEADER = "spec: {include: [%s], inputs: {own: {default: o}}}\n---\n'$[[ inputs.x ]]': 1"


def test_a_header_includes_inputs() -> None:
    root = HEADER % "in.yml, 'https://h/in.yml', {project: g/p, file: in.yml}"
    found, _ = expand(
        root + "\n'$[[ inputs.own ]] $[[ inputs.y ]] $[[ inputs.z ]]': 2",
        local={"in.yml": "inputs: {x: {default: X}}"},
        projects={"g/p": {"in.yml": "inputs: {z: {default: Z}}"}},
        files={"https://h/in.yml": "inputs: {y: {default: Y}}"},
    )
    assert found.content == {"X": 1, "o Y Z": 2}


def test_an_included_file_with_a_header_that_includes() -> None:
    found, _ = expand(
        "include: {project: g/p, file: a.yml, inputs: {x: given}}",
        projects={"g/p": {"a.yml": HEADER % "in.yml", "in.yml": "inputs: {x: {default: X}}"}},
    )
    assert found.content == {"given": 1}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("two.yml", f"Duplicate input keys found: own. {UNIQUE}"),
        ("more.yml", "Header include file `more.yml` contains unknown keys: [:job, :stages]"),
        ("gone.yml", "Local file `gone.yml` does not exist!"),
        ("{template: T.gitlab-ci.yml}",
         f'`{{"template":"T.gitlab-ci.yml"}}` {SUBKEYS}'),
    ],
)  # fmt: skip
def test_errors_of_a_header(entry: str, message: str) -> None:
    found = problems(
        HEADER % entry,
        local={
            "two.yml": "inputs: {own: {default: 1}, x: {default: 1}}",
            "more.yml": "inputs: {x: {default: 1}}\njob: 1\nstages: []",
        },
    )
    assert found[0].message == message


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (True, 3600), (False, None), (None, None), ("1 day", 86400), ("90 seconds", 90),
        ("2 hours 30 minutes", 9000), ("1h30m", 5400), ("2 weeks", 1209600), ("soon", None),
        ("", None), (3, None),
    ],
)  # fmt: skip
def test_how_long_a_copy_may_be_used(written: Any, seconds: float | None) -> None:
    assert seconds_of_cache(written) == seconds
