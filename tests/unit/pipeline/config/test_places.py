"""Where findings point, what values share, and how the work grows."""

from textwrap import dedent
from typing import Any

import pytest

from homeport.errors import Severity
from homeport.pipeline.config.checks import Checks
from homeport.pipeline.config.compose import MAX_WARNINGS, compose
from homeport.pipeline.config.cycle import find_cycle
from homeport.pipeline.config.entry import Entry, Reader
from homeport.pipeline.document.load import load


def places(text: str) -> list[tuple[str, str]]:
    config = compose(load(dedent(text).lstrip().encode(), "ci.yml").content)
    return [(problem.code, str(problem.span)) for problem in config.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x:\n  script: a\n  oops: b\n", [("unknown-key", "ci.yml:3:3")]),
        ("x:\n  script: a\n  tags: b\n", [("wrong-type", "ci.yml:3:9")]),
        ("x:\n  script:\n    - a\n    - echo b: c\n", [("wrong-type", "ci.yml:4:7")]),
        ("x:\n  oops: b\n", [("no-script", "ci.yml:1:1"), ("no-jobs", "None")]),
        ("x:\n  script: a\n  needs:\n    - y\n", [("undefined-need", "ci.yml:4:7")]),
        ("x:\n  script: a\n  stage: b\n", [("unknown-stage", "ci.yml:3:10")]),
        ("x:\n  script: a\n  dependencies: [y]\n", [("undefined-dependency", "ci.yml:3:18")]),
        ("x:\n  script: a\n  artifacts:\n    when: 5\n", [("not-allowed", "ci.yml:4:11")]),
        (
            "x:\n  script: a\n  rules:\n    - if: $A ==\n",
            [("invalid-expression", "ci.yml:4:11")],
        ),
        ("x:\n  script: a\n  variables:\n    A: []\n", [("wrong-type", "ci.yml:4:8")]),
        (
            "x:\n  script: a\n  interruptible: 1\ny:\n  script: a\n  interruptible: 1\n",
            [("wrong-type", "ci.yml:3:18"), ("wrong-type", "ci.yml:6:18")],
        ),
    ],
)
def test_places(text: str, expected: list[tuple[str, str]]) -> None:
    assert places(text) == expected


def test_a_shared_value_is_read_once_and_complained_of_everywhere() -> None:
    asked: list[Any] = []

    def parser(value: Any, entry: Entry) -> None:
        asked.append(value)
        entry.config("is odd", "odd")

    shared = ["a"]
    reader = Reader()
    for owner in ({"k": shared}, {"k": shared}):
        reader.read(parser, owner, "k", f"jobs:{len(reader.problems)}", "k")
    assert asked == [shared]
    assert [problem.message for problem in reader.problems] == [
        "jobs:0:k config is odd",
        "jobs:1:k config is odd",
    ]


def test_warnings_end_where_gitlab_ends_them() -> None:
    job = {"script": "a", "rules": [{"when": "always"}]}
    config = compose({f"x{number}": job for number in range(MAX_WARNINGS + 5)})
    assert len(config.problems) == MAX_WARNINGS
    assert {problem.severity for problem in config.problems} == {Severity.WARNING}


@pytest.mark.parametrize(
    "job",
    [
        {"rules": [{"when": "never"}]},
        {"rules": [{"if": "$A", "when": "always"}]},
        {"rules": [{"when": "always"}, {"if": "$A"}]},
    ],
)
def test_no_warning(job: dict[str, Any]) -> None:
    assert compose({"x": {"script": "a", **job}}).problems == ()


def test_a_name_of_256_characters_is_too_long() -> None:
    found = compose({"a" * 256: {"script": "a"}, "b" * 255: {"script": "a"}}).problems
    assert [problem.message[-48:] for problem in found] == [
        " name is too long (maximum is 255 characters)".rjust(48, "a")
    ]


def test_a_long_chain_of_needs_is_no_circle() -> None:
    count = 5000
    jobs: dict[str, Any] = {
        f"j{number}": {"script": "a", "needs": [f"j{number + 1}"]} for number in range(count)
    }
    jobs[f"j{count}"] = {"script": "a"}
    assert compose(jobs).problems == ()


def test_circles_are_found_where_ruby_finds_them() -> None:
    assert find_cycle({"a": ["b"], "b": ["c"], "c": ["b"], "d": ["d"]}) == (
        'topological sort failed: ["b", "c"]'
    )
    assert find_cycle({"a": ["b", "c"], "b": ["c"], "c": []}) is None


def test_instances_of_a_matrix_are_checked_one_by_one() -> None:
    config = compose(
        {
            "build": {"script": "a", "parallel": {"matrix": [{"OS": ["linux", "mac"]}]}},
            "test": {
                "script": "a",
                "parallel": {"matrix": [{"OS": ["linux", "win"]}]},
                "needs": ["build: [$[[ matrix.OS ]]]"],
            },
        }
    )
    assert [problem.message for problem in config.problems] == [
        "test job: undefined need: build: [win]"
    ]


def test_checks_without_jobs_find_nothing() -> None:
    checks = Checks({}, (), partial=False, own_stages=True)
    checks.run(set())
    assert checks.problems == []
    assert checks.resolve() == {}
