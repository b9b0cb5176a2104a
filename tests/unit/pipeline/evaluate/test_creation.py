"""What pipeline creation says of variables in a circle, of names, and of auto_cancel."""

from typing import Any

import pytest

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
