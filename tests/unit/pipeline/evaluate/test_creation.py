"""What pipeline creation says of variables in a circle, of names, and of auto_cancel."""

from typing import Any

import pytest

from homeport.errors import UsageError
from homeport.pipeline.config.compose import compose
from homeport.pipeline.document.load import load
from homeport.pipeline.evaluate.evaluate import evaluate
from homeport.pipeline.model.pipeline import Pipeline
from homeport.pipeline.model.trigger import AllChanged, GivenVariable, Trigger, Unresolved


class Nothing:
    """An empty repository."""

    def changed_files(self, _compare_to: str | None) -> tuple[str, ...] | Unresolved | AllChanged:
        return ()

    def files(self, _project: str | None, _ref: str | None) -> tuple[str, ...] | Unresolved:
        return ()


def run(text: str, **given: str) -> Pipeline:
    config = compose(load(text.encode(), ".gitlab-ci.yml").content)
    variables = tuple(GivenVariable(key=key, value=value) for key, value in given.items())
    trigger = Trigger(root="/r", branch="main", variables=variables)
    return evaluate(config, trigger, Nothing())


CIRCLES: list[tuple[str, dict[str, str], list[str]]] = [
    ("{x: {script: e, variables: {A: $B, B: c}}}", {}, []),
    ("{variables: {A: $B}, x: {script: e, variables: {B: '%C%', C: $D}}}", {}, []),
    ("{x: {script: e, variables: {PATH: '$PATH:b'}}}", {}, []),
    ("{variables: {A: $B}, x: {script: e, variables: {B: {value: $A, expand: false}}}}", {}, []),
    ("{variables: {A: $B, B: $A}, x: {script: e, variables: {B: c}}}", {}, []),
    ("{variables: {A: $B, B: $A}, x: {script: e, inherit: {variables: false}}}", {}, []),
    ("{variables: {A: $B, B: $A}, x: {script: e, only: [a]}, y: {script: e}}", {}, ["y"]),
    ("{x: {script: e, variables: {A: $B, B: $A}}}", {}, ["x"]),
    ("{x: {script: e, variables: {A: '${B}', B: '%C%', C: $A}}}", {}, ["x"]),
    ("{variables: {A: $B}, x: {script: e, variables: {B: $A}}, y: {script: e}}", {}, ["x"]),
    ("{variables: {A: $B, B: $A}, x: {script: e}, y: {script: e}}", {}, ["x", "y"]),
    ("{x: {script: e, variables: {A: $B}}}", {"B": "$A"}, ["x"]),
    ("{x: {script: e, rules: [{if: $CI, variables: {A: $B}}], variables: {B: $A}}}", {}, ["x"]),
]  # fmt: skip


@pytest.mark.parametrize(("file", "given", "jobs"), CIRCLES)
def test_circles(file: str, given: dict[str, str], jobs: list[str]) -> None:
    found = [problem for problem in run(file, **given).problems if problem.code == "variable-cycle"]
    assert [problem.message.split(":")[0] for problem in found] == jobs
    assert all(problem.span is not None for problem in found)


def test_a_circle_in_gitlabs_words() -> None:
    [problem] = run("{x: {script: e, variables: {A: $B, B: $A}}}").problems
    assert problem.message == 'x: circular variable reference detected: ["A", "B"]'


NAMES: list[tuple[str, Any]] = [
    ("{name: ' n '}", "n"),
    ("{name: '$UNKNOWN'}", None),
    ("{name: 'a $A'}", "a value b"),
    ("{name: 'a $R', rules: [{when: always, variables: {R: c $B}}]}", "a c b"),
    ("{name: 'by $CI_PIPELINE_SOURCE'}", "by push"),
]


@pytest.mark.parametrize(("workflow", "expected"), NAMES)
def test_name(workflow: str, expected: str | None) -> None:
    variables = "{A: value $B, B: b}"
    pipeline = run(f"{{variables: {variables}, workflow: {workflow}, x: {{script: e}}}}")
    assert (pipeline.name, pipeline.problems) == (expected, ())


def test_a_name_that_grows_too_long() -> None:
    long = "a" * 254
    pipeline = run(f"{{variables: {{A: {long}}}, workflow: {{name: b $A}}, x: {{script: e}}}}")
    assert [problem.message for problem in pipeline.problems] == [
        "Failed to build pipeline metadata! Name is too long (maximum is 255 characters)"
    ]


AUTO_CANCEL: list[tuple[str, str, dict[str, str]]] = [
    ("{on_new_commit: none}", "{}", {"on_new_commit": "none"}),
    (
        "{on_new_commit: none, on_job_failure: all}",
        "{when: always, auto_cancel: {on_new_commit: interruptible}}",
        {"on_new_commit": "interruptible", "on_job_failure": "all"},
    ),
    (
        "{on_job_failure: all}",
        "{if: $NONE, auto_cancel: {on_job_failure: none}}",
        {"on_job_failure": "all"},
    ),
    ("null", "{if: $CI, auto_cancel: {on_job_failure: all}}", {"on_job_failure": "all"}),
]


@pytest.mark.parametrize(("own", "rule", "expected"), AUTO_CANCEL)
def test_auto_cancel(own: str, rule: str, expected: dict[str, str]) -> None:
    rules = f"[{rule}, {{when: always}}]" if rule != "{}" else "[{when: always}]"
    workflow = f"{{auto_cancel: {own}, rules: {rules}}}"
    assert run(f"{{workflow: {workflow}, x: {{script: e}}}}").auto_cancel == expected


CONDITIONS: list[tuple[str, str, bool]] = [
    ("{name: a, deployment_tier: staging}", '$CI_ENVIRONMENT_TIER == "staging"', True),
    ("production", "$CI_ENVIRONMENT_TIER", False),
    ("{name: a, url: http://b}", '$CI_ENVIRONMENT_URL == "http://b"', True),
    ("a", "$CI_ENVIRONMENT_URL", False),
    ("{name: a, action: stop}", '$CI_ENVIRONMENT_ACTION == "stop"', True),
    ("a", '$CI_ENVIRONMENT_ACTION == "start" && $CI_ENVIRONMENT_NAME == "a"', True),
    ("null", "$CI_ENVIRONMENT_ACTION || $CI_ENVIRONMENT_NAME", False),
]


@pytest.mark.parametrize(("environment", "condition", "included"), CONDITIONS)
def test_what_a_condition_knows_of_an_environment(
    environment: str, condition: str, included: bool
) -> None:
    file = f"{{x: {{script: e, environment: {environment}, rules: [{{if: '{condition}'}}]}}}}"
    assert [job.name for job in run(file).jobs] == (["x"] if included else [])


NEEDS: list[tuple[str, list[str] | None, list[str]]] = [
    # A rule's needs replace the job's; those of the job are what creation checks.
    ("needs: [a], rules: [{if: $CI, needs: [b]}]", ["b"], []),
    ("needs: [a], rules: [{if: $NONE, needs: [b]}, {when: always}]", ["a"], []),
    ("needs: [a], rules: [{if: $CI, needs: []}]", ["a"], []),
    ("rules: [{if: $CI, needs: [b]}]", ["b"], []),
    ("rules: [{if: $CI, needs: [gone]}]", [], []),
    ("needs: [gone], rules: [{if: $CI, needs: [b]}]", ["b"], ["need-absent"]),
    ("needs: [{job: gone, optional: true}]", [], []),
]


@pytest.mark.parametrize(("keys", "needs", "codes"), NEEDS)
def test_needs(keys: str, needs: list[str] | None, codes: list[str]) -> None:
    gone = "gone: {script: e, rules: [{when: never}]}"
    pipeline = run(f"{{a: {{script: e}}, b: {{script: e}}, {gone}, x: {{script: e, {keys}}}}}")
    [job] = [job for job in pipeline.jobs if job.name == "x"]
    assert [need.job for need in job.needs or ()] == needs
    assert [problem.code for problem in pipeline.problems if problem.severity == "error"] == codes


def test_needs_of_another_pipeline_stay_when_a_rule_replaces_the_others() -> None:
    needs = "[{pipeline: $P, job: j}, a]"
    pipeline = run(
        "{a: {script: e}, b: {script: e}, "
        f"x: {{script: e, needs: {needs}, rules: [{{if: $CI, needs: [b]}}]}}}}"
    )
    [job] = [job for job in pipeline.jobs if job.name == "x"]
    assert [need.job for need in job.needs or ()] == ["b"]
    assert [need.pipeline for need in job.cross_needs] == ["$P"]


def test_errors_come_without_the_word_that_no_job_is_left() -> None:
    pipeline = run("{gone: {script: e, only: [z]}, x: {script: e, stage: .pre, needs: []}}")
    assert [problem.code for problem in pipeline.problems] == ["no-jobs"]
    file = "{x: {script: e, stage: .pre, variables: {A: $B, B: $A}}}"
    assert [problem.code for problem in run(file).problems] == ["variable-cycle"]


class Tree(Nothing):
    """A repository in which two files changed, and nothing else is."""

    def changed_files(self, _compare_to: str | None) -> tuple[str, ...] | Unresolved | AllChanged:
        return ("src/app.rb", "docs/a.md")

    def files(self, _project: str | None, _ref: str | None) -> tuple[str, ...] | Unresolved:
        return ("src/app.rb", "docs/a.md")


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (r"{changes: {regexp: '\.rb\z'}}", "in"),
        (r"{changes: {regexp: '^$FOLDER/'}}", "in"),
        (r"{changes: {regexp: '^lib/'}}", "out"),
        (r"{exists: {regexp: '\Adocs/'}}", "in"),
        (r"{exists: {regexp: '\.go$'}}", "out"),
        (r"{changes: {regexp: '^(?!docs/)'}}", "unresolved"),
    ],
)
def test_regular_expressions_over_paths(rule: str, verdict: str) -> None:
    text = f"{{variables: {{FOLDER: src}}, x: {{script: e, rules: [{rule}]}}}}"
    config = compose(load(text.encode(), ".gitlab-ci.yml").content)
    pipeline = evaluate(config, Trigger(root="/r", branch="main"), Tree())
    assert [job.decision.verdict for job in (*pipeline.jobs, *pipeline.excluded)] == [verdict]


@pytest.mark.parametrize(
    ("conditions", "place"),
    [("rules: [{exists: ['%s']}]", ":1:26"), ("only: {changes: ['%s']}", ":1:23")],
)
def test_an_enormous_pattern_is_shown_where_it_stands(conditions: str, place: str) -> None:
    text = f"{{x: {{script: e, {conditions % ('{a,b}' * 12)}}}}}"
    config = compose(load(text.encode(), "ci.yml").content)
    with pytest.raises(UsageError, match="alternatives") as raised:
        evaluate(config, Trigger(root="/r", branch="main"), Tree())
    assert [str(problem.span) for problem in raised.value.problems] == [f"ci.yml{place}"]
