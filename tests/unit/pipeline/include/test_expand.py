"""`include:` from end to end, on files in memory."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from homeport.errors import Problem, UsageError
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.document.load import load
from homeport.pipeline.include.api import Expanded, IncludeContext
from homeport.pipeline.include.expand import expand_includes
from homeport.pipeline.model.document import Map, span_of_key

SUBKEYS = "Valid subkeys are: `local`, `project`, `remote`, `template`, `artifact`, `component`"
ONE_OF = (
    "Each include must use only one of: "
    "`local`, `project`, `remote`, `template`, `artifact`, `component`"
)


NO_HEADER = "Given inputs not defined in the `spec` section of the included configuration file"
BROKEN = (
    "`broken.yml`: (<unknown>): did not find expected ',' or ']' "
    "while parsing a flow sequence at line 1 column 4"
)


class Files:
    """A `FileSource` over a mapping."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def read(self, path: str) -> bytes | None:
        text = self._files.get(path)
        return None if text is None else text.encode()

    def paths(self) -> tuple[str, ...]:
        return tuple(self._files)


def expand(root: str, files: Mapping[str, str] | None = None, **context: Any) -> Expanded:
    document = load(root.encode(), ".gitlab-ci.yml")
    return expand_includes(document, Files(files or {}), IncludeContext(**context))


def problems(
    root: str, files: Mapping[str, str] | None = None, **context: Any
) -> tuple[Problem, ...]:
    with pytest.raises(UsageError) as raised:
        expand(root, files, **context)
    return raised.value.problems


@pytest.mark.parametrize(
    ("root", "files", "content"),
    [
        ("a: 1", {}, {"a": 1}),
        ("include: x.yml\na: 1", {"x.yml": "b: 2"}, {"b": 2, "a": 1}),
        ("include: /x.yml", {"x.yml": "b: 2"}, {"b": 2}),
        ("include: {local: x.yml}", {"x.yml": "b: 2"}, {"b": 2}),
        ("include: [x.yml, y.yaml]", {"x.yml": "a: 1\nb: 1", "y.yaml": "b: 2"}, {"a": 1, "b": 2}),
        ("include: x.yml\na: {b: 1}", {"x.yml": "a: {b: 2, c: 3}"}, {"a": {"b": 1, "c": 3}}),
        ("include: x.yml\na: [1]", {"x.yml": "a: [2, 3]"}, {"a": [1]}),
        ("include: x.yml", {"x.yml": "include: y.yml\na: 1", "y.yml": "a: 2\nb: 2"},
         {"a": 1, "b": 2}),
        ("include: ci/*.yml", {"ci/b.yml": "a: b", "ci/a.yml": "a: a", "ci/c/d.yml": "a: d"},
         {"a": "b"}),
        ("include: {local: /ci/**.yml}", {"ci/a.yml": "a: 1", "ci/c/d.yml": "d: 1"},
         {"a": 1, "d": 1}),
        ("include: none/*.yml\na: 1", {}, {"include": "none/*.yml", "a": 1}),
        ("include: [x.yml, x.yml]", {"x.yml": "a: 1"}, {"a": 1}),
        ("include: [~, x.yml]", {"x.yml": "a: 1"}, {"a": 1}),
        ("include: []\na: 1", {}, {"include": [], "a": 1}),
        ("include: $DIR/${NAME}.yml", {"ci/x.yml": "a: 1"}, {"a": 1}),
        ("include: {local: $DIR/%NAME%.yml}", {"ci/x.yml": "a: 1"}, {"a": 1}),
        ("include: x.yml", {"x.yml": "include: '*.yml'\na: 1", "y.yml": "b: 1"}, {"b": 1, "a": 1}),
        ("include: x.yml", {"x.yml": "include: []\na: 1"}, {"a": 1}),
    ],
)  # fmt: skip
def test_content(root: str, files: dict[str, str], content: dict[str, Any]) -> None:
    expanded = expand(root, files, variables={"DIR": "ci", "NAME": "x"})
    assert expanded.content == content
    assert list(expanded.content) == list(content)
    assert expanded.missing == ()


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("include: x.yml", "Local file `x.yml` does not exist!"),
        ("include: /x.yml", "Local file `x.yml` does not exist!"),
        ("include: ../x.yml", "Local file `../x.yml` does not exist!"),
        ("include: empty.yml", "Local file `empty.yml` is empty!"),
        ("include: comment.yml", "Included file `comment.yml` does not have valid YAML syntax!"),
        ("include: x.txt", "Included file `x.txt` does not have YAML extension!"),
        ("include: dir/.yml", "Included file `dir/.yml` does not have YAML extension!"),
        ("include: {local: [x.yml]}", "Included file `['x.yml']` needs to be a string"),
        ("include: list.yml", "`list.yml`: Invalid configuration format"),
        ("include: 1", "Each include must be a hash or a string"),
        ("include: [[x.yml]]", "Each include must be a hash or a string"),
        ("include: !reference [a]", "Each include must be a hash or a string"),
        ("include: {yolo: x.yml}",
         '`{"yolo":"x.yml"}` does not have a valid subkey for include. ' + SUBKEYS),
        ("include: {local: ''}",
         '`{"local":""}` does not have a valid subkey for include. ' + SUBKEYS),
        ("include: {project: a/b}",
         '`{"project":"a/b"}` does not have a valid subkey for include. ' + SUBKEYS),
        ("include: {file: x.yml}",
         '`{"file":"x.yml"}` does not have a valid subkey for include. ' + SUBKEYS),
        ("include: {local: x.yml, remote: 'https://a/b.yml'}", ONE_OF),
        ("include: {remote: b.yml}", "Remote file `b.yml` does not have a valid address!"),
        ("include: {remote: 'https://a/b'}",
         "Included file `https://a/b` does not have YAML extension!"),
        ("include: {template: b.yml}", "Template file `b.yml` is not a valid location!"),
        ("include: {project: a/b, file: c}", "Included file `c` does not have YAML extension!"),
        ("include: {artifact: a.yml, job: b}",
         "Including configs from artifacts is only allowed when triggering child pipelines"),
        ("include: {local: list.yml, rules: {if: $A}}",
         "include:rules config should be an array"),
        ("include: {local: list.yml, rules: [{allow_failure: true}]}",
         "include:rules:rule config contains unknown keys: allow_failure"),
        ("include: {local: list.yml, rules: [{if: $A, when: manual}]}",
         "include:rules:rule when unknown value: manual"),
        ("include: {local: ok.yml, inputs: {a: 1}}",
         f"`ok.yml`: {NO_HEADER}"),
        ("include: inputs.yml", "`inputs.yml`: `x` input: required value has not been provided"),
    ],
)  # fmt: skip
def test_errors_in_gitlabs_words(root: str, message: str) -> None:
    files = {
        "empty.yml": " \n",
        "comment.yml": "# nothing",
        "list.yml": "- a",
        "ok.yml": "a: 1",
        "inputs.yml": "spec: {inputs: {x: }}\n---\na: $[[ inputs.x ]]",
    }
    (problem,) = problems(root, files)
    assert problem.message == message
    assert problem.span is not None


def test_all_errors_at_once_with_the_way_there() -> None:
    files = {"x.yml": "a: 1\ninclude:\n  - gone.yml\n  - broken.yml", "broken.yml": "a: [b"}
    found = problems("include:\n  - x.yml\n  - far.yml\n", files)
    assert [
        (each.message, str(each.span), [str(span) for span in each.included_from]) for each in found
    ] == [
        ("Local file `gone.yml` does not exist!", "x.yml:3:5", [".gitlab-ci.yml:2:5"]),
        (
            BROKEN,
            "broken.yml:2:1",
            ["x.yml:4:5", ".gitlab-ci.yml:2:5"],
        ),
        ("Local file `far.yml` does not exist!", ".gitlab-ci.yml:3:5", []),
    ]


def test_warnings_of_included_files_know_the_way_there() -> None:
    expanded = expand("include: [x.yml, x.yml]", {"x.yml": "a: 1\na: 2"})
    (warning,) = expanded.problems
    assert warning.code == "duplicate-key"
    assert [str(span) for span in warning.included_from] == [".gitlab-ci.yml:1:11"]


def test_files_chains_and_places() -> None:
    expanded = expand(
        "include: x.yml\njob: {a: 1}", {"x.yml": "include: y.yml", "y.yml": "job: {b: 1}"}
    )
    assert expanded.files == (".gitlab-ci.yml", "x.yml", "y.yml")
    assert [str(span) for span in expanded.chains["y.yml"]] == ["x.yml:1:10", ".gitlab-ci.yml:1:10"]
    assert str(span_of_key(expanded.content["job"], "b")) == "y.yml:1:7"
    assert str(span_of_key(expanded.content["job"], "a")) == ".gitlab-ci.yml:2:7"


@pytest.mark.parametrize(
    "files",
    [
        {"x.yml": "include: x.yml\na: 1"},
        {"x.yml": "include: y.yml\na: 1", "y.yml": "include: x.yml\nb: 1"},
        {"x.yml": "include: [x.yml, x.yml, x.yml]\na: 1"},
    ],
)
def test_a_circle_ends_at_the_limit_of_includes(files: dict[str, str]) -> None:
    (problem,) = problems("include: x.yml", files)
    assert problem.message == "Maximum of 150 nested includes are allowed!"
    assert problem.included_from


def test_the_limit_counts_all_includes() -> None:
    root = f"include: [{', '.join(f'f{i}.yml' for i in range(150))}]"
    files = {f"f{i}.yml": f"j{i}: 1" for i in range(151)}
    assert len(expand(root, files).content) == 150
    (problem,) = problems(root.replace("]", ", f150.yml]"), files)
    assert problem.message == "Maximum of 150 nested includes are allowed!"
    assert len(expand(root, files, limits=Limits(includes=200)).content) == 150


def test_the_size_of_all_files_together_is_bounded() -> None:
    (problem,) = problems("include: x.yml", {"x.yml": "a: 1"}, limits=Limits(total_size=3))
    assert problem.message == "Total size of combined CI/CD configuration is too big"


UNREACHABLE = """\
include:
  - project: Group/$NAME
    file:
      - /a.yml
      - b.yml
    ref: $REF
  - {project: group/other, file: c.yml}
  - https://host/d.yml
  - remote: https://host/e.yml
  - template: Auto-DevOps.gitlab-ci.yml
  - component: $HOST/group/part@1
  - local: known.yml
a: 1
"""


def test_what_cannot_be_reached_is_named_and_the_rest_goes_on() -> None:
    variables = {"NAME": "tools", "REF": "v1", "HOST": "host"}
    expanded = expand(UNREACHABLE, {"known.yml": "b: 2"}, variables=variables)
    assert expanded.content == {"b": 2, "a": 1}
    assert [
        (each.kind, each.location, each.project, each.ref, str(each.span))
        for each in expanded.missing
    ] == [
        ("project", "a.yml", "group/tools", "v1", ".gitlab-ci.yml:4:9"),
        ("project", "b.yml", "group/tools", "v1", ".gitlab-ci.yml:5:9"),
        ("project", "c.yml", "group/other", "HEAD", ".gitlab-ci.yml:7:5"),
        ("remote", "https://host/d.yml", None, None, ".gitlab-ci.yml:8:5"),
        ("remote", "https://host/e.yml", None, None, ".gitlab-ci.yml:9:5"),
        ("template", "Auto-DevOps.gitlab-ci.yml", None, None, ".gitlab-ci.yml:10:5"),
        ("component", "host/group/part@1", None, None, ".gitlab-ci.yml:11:5"),
    ]
    assert all(each.reason for each in expanded.missing)


def test_a_location_that_hangs_on_an_unknown_variable_is_missing_and_no_error() -> None:
    expanded = expand("include: [$DIR/x.yml, 'x$EXT']\na: 1", {"x.yml": "b: 1"})
    assert expanded.content == {"b": 1, "a": 1}
    (missing,) = expanded.missing
    assert (missing.kind, missing.location) == ("local", "x")
    assert missing.reason == "it depends on variables that are not known here: $EXT"


def decide(answers: Mapping[str, bool | None]) -> Callable[[Map, str], bool | None]:
    def allows(entry: Map, location: str) -> bool | None:
        assert entry["rules"]
        return answers[location]

    return allows


def test_rules_decide() -> None:
    root = "include:\n" + "".join(
        f"  - {{local: {name}.yml, rules: [{{if: $A}}]}}\n" for name in ("yes", "no", "maybe")
    )
    answers = {"yes.yml": True, "no.yml": False, "maybe.yml": None}
    files = {"yes.yml": "a: 1", "no.yml": "b: 1", "maybe.yml": "c: 1"}
    expanded = expand(root, files, allows=decide(answers))
    assert expanded.content == {"a": 1}
    (missing,) = expanded.missing
    assert (missing.kind, missing.location, str(missing.span)) == (
        "local",
        "maybe.yml",
        ".gitlab-ci.yml:4:5",
    )
    assert "rules" in missing.reason


def test_an_entry_that_rules_leave_out_is_not_looked_at() -> None:
    root = "include: {local: gone.yml, rules: [{when: never}]}\na: 1"
    expanded = expand(root, allows=decide({"gone.yml": False}))
    assert expanded.content["a"] == 1
    assert expanded.missing == ()


def test_inputs_of_included_files_and_of_the_root() -> None:
    part = (
        "spec: {inputs: {x: {default: d}, y: {type: number}}}\n---\n"
        "$[[ inputs.x ]]: $[[ inputs.y ]]\n"
    )
    root = (
        "spec: {inputs: {who: }}\n---\n"
        "include:\n"
        "  - {local: part.yml, inputs: {y: 1}}\n"
        "  - {local: part.yml, inputs: {x: '$[[ inputs.who ]]', y: 2}}\n"
    )
    expanded = expand(root, {"part.yml": part}, inputs={"who": "me"})
    assert expanded.content == {"d": 1, "me": 2}
    (problem,) = problems(root, {"part.yml": part})
    assert problem.message == "`who` input: required value has not been provided"


INPUT_PLACES = [
    ("spec:\n  inputs:\n    a:\n      defualt: x\n---\nb: 1", {}, ["ci.yml:4:7"]),
    ("spec:\n  inputs:\n    a:\n      type: text\n---\nb: 1", {}, ["ci.yml:3:5"]),
    ("spec: {}\ntitle: x\n---\nb: 1", {}, ["ci.yml:2:1"]),
    ("spec:\n  inputs:\n    a: {default: x}\n    b:\n---\nc: 1", {}, ["ci.yml:4:5"]),
    ("spec: {inputs: {a: {default: x}}}\n---\nb:\n  - 1\n  - $[[ inputs.c ]]", {}, ["ci.yml:5:5"]),
    ("spec: {inputs: {a: {default: x}}}\n---\nb:\n  c: $[[ inputs.a | up ]]", {}, ["ci.yml:4:6"]),
    (
        "spec:\n  include: [i.yml]\n  inputs:\n    a: {default: x}\n---\nb: 1",
        {"i.yml": "inputs: {a: {default: y}}"},
        ["ci.yml:4:5"],
    ),
    (
        "include: x.yml",
        {"x.yml": "spec: {inputs: {a: {default: x}}}\n---\nb:\n  c: $[[ inputs.d ]]"},
        ["x.yml:4:6", "ci.yml:1:10"],
    ),
    (
        "include: x.yml",
        {"x.yml": "spec:\n  inputs:\n    a: {typo: x}\n---\nb: 1"},
        ["x.yml:3:9", "ci.yml:1:10"],
    ),
    ("include: x.yml", {"x.yml": "spec: {inputs: {a: }}\n---\nb: 1"}, ["ci.yml:1:10"]),
]


@pytest.mark.parametrize(("root", "files", "places"), INPUT_PLACES)
def test_where_inputs_are_wrong(root: str, files: dict[str, str], places: list[str]) -> None:
    with pytest.raises(UsageError) as raised:
        expand_includes(load(root.encode(), "ci.yml"), Files(files), IncludeContext())
    (problem,) = raised.value.problems
    assert [str(span) for span in (problem.span, *problem.included_from)] == places


def test_masked_values_are_in_no_text() -> None:
    context = {"variables": {"TOKEN": "s3cr3t"}, "masked": frozenset({"TOKEN"})}
    (problem,) = problems("include: $TOKEN.yml", **context)
    assert problem.message == "Local file `xxxxxx.yml` does not exist!"
    (missing,) = expand("include: https://u:$TOKEN@host/a.yml", **context).missing
    assert missing.location == "https://u:xxxxxx@host/a.yml"
