"""Words that a person may have meant, beside GitLab's messages; and what no known file defines."""

import pytest

from homeport.errors import UsageError
from homeport.pipeline.config.compose import compose
from homeport.pipeline.config.extends import resolve_extends
from homeport.pipeline.config.hints import Hints, did_you_mean
from homeport.pipeline.document.load import load
from homeport.pipeline.model.document import Map

HINTS: list[tuple[str, str | None]] = [
    ("{x: {script: e, stages: build}}", "did you mean stage?"),
    ("{x: {script: e, zzz: 1}}", None),
    ("{x: {script: e, artifacts: {path: [a]}}}", "did you mean paths?"),
    ("{x: {script: [a, echo b: c]}}", "put a command that contains `: ` in quotes"),
    ("{x: {script: {a: b}}}", None),
    ("{x: {script: e}, varables: {A: b}}", "did you mean variables?"),
    ("{y: {script: e}, x: {stage: build, scirpt: e}}", "did you mean script?"),
    ("{y: {script: e}, x: {triger: {include: a.yml}}}", "did you mean trigger?"),
    ("{x: {script: e, stage: biuld}}", "did you mean build?"),
    ("{compile: {script: e}, y: {script: e, needs: [compil]}}", "did you mean compile?"),
    ("{compile: {script: e}, y: {script: e, dependencies: [complie]}}", "did you mean compile?"),
    (
        "{stop: {script: e}, y: {script: e, environment: {name: a, on_stop: stopp}}}",
        "did you mean stop?",
    ),
]


@pytest.mark.parametrize(("file", "hint"), HINTS)
def test_hint(file: str, hint: str | None) -> None:
    [problem] = compose(load(file.encode(), "x.yml").content).problems
    assert problem.hint == hint


@pytest.mark.parametrize(
    ("condition", "hint"),
    [
        ("${A} == 'b'", "write $A: an expression knows no braces"),
        ("$A = 'b'", "compare with == or =~"),
        ("$A and $B", "write &&"),
        ("not $B", "write !"),
        ("$A | $B", "write ||"),
        ("$A == main", "put text in quotes; a variable begins with $"),
        ("$A == 'main", "the quote ' is not closed"),
        ("$A =~ /x/", "a pattern needs two characters at least"),
        ("$A =~ /main", "a pattern ends with a slash"),
        ("$A =~ /^(?!x)/", "RE2 says: invalid perl operator: (?!"),
        ("$A &&", "an operator lacks a value beside it"),
        ("($A", "a ( without its )"),
        ("$A)", "a ) without its ("),
        ("$A $B", "two values without an operator between them"),
        (" || ".join(["$A"] * 60), "GitLab reads at most 99 words and operators; split the rule"),
        (True, "write the whole condition in one string"),
        ("", None),
    ],
)
def test_hint_for_a_condition(condition: object, hint: str | None) -> None:
    problems = compose(Map({"x": {"script": "e", "rules": [{"if": condition}]}})).problems
    assert [problem.hint for problem in problems] == [hint]


def test_hint_for_a_condition_of_only() -> None:
    file = load(b"x: {script: e, only: {variables: [$A, $B == c]}}", "x.yml").content
    [problem] = compose(file).problems
    assert str(problem.span) == "x.yml:1:39"
    assert problem.hint == "put text in quotes; a variable begins with $"


def test_hint_for_extends() -> None:
    file = load(b"{.build: {stage: test}, x: {extends: .biuld, script: e}}", "x.yml").content
    with pytest.raises(UsageError) as raised:
        resolve_extends(file)
    assert [problem.hint for problem in raised.value.problems] == ["did you mean .build?"]


def test_no_hint_where_a_search_would_take_long() -> None:
    assert did_you_mean("job 10001", (f"job {number}" for number in range(10_000))) is None
    hints = Hints(("build",), limit=1)
    assert [hints.of("biuld"), hints.of("biuld")] == ["did you mean build?", None]


def test_unresolved_jobs_keep_their_place_and_stage() -> None:
    written = load(
        b"""
.base: {stage: build}
first: {extends: [.base, .unknown], script: e}
second: {script: e}
third: {extends: .unknown, stage: deploy}
fourth: {script: e}
fifth: {extends: .unknown}
""",
        "x.yml",
    ).content
    merged, unresolved = resolve_extends(written, partial=True)
    config = compose(merged, unresolved=unresolved, written=written)
    assert [(name, job.stage) for name, job in config.jobs.items()] == [
        ("first", "build"),
        ("second", "test"),
        ("third", "deploy"),
        ("fourth", "test"),
        ("fifth", "test"),
    ]
    assert [str(job.span) for job in config.jobs.values() if job.unresolved] == [
        "x.yml:3:1",
        "x.yml:5:1",
        "x.yml:7:1",
    ]
