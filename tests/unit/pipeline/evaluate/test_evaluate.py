"""Which jobs are in, and why; GitLab's messages of pipeline creation."""

from typing import Any

import pytest

from homeport.pipeline.config.compose import compose
from homeport.pipeline.evaluate.evaluate import evaluate
from homeport.pipeline.model.config import AllowFailure, MissingInclude, When
from homeport.pipeline.model.pipeline import Pipeline, Verdict
from homeport.pipeline.model.trigger import (
    AllChanged,
    Commit,
    GivenVariable,
    Source,
    Trigger,
    Unresolved,
)

COMMIT = Commit(
    sha="a" * 40,
    title="title",
    message="title",
    description="",
    timestamp="2026-01-01T00:00:00+00:00",
    author="A <a@example.com>",
)


class Repository:
    """Facts by hand: changed files (AllChanged: GitLab looks at no diff), and the tree."""

    def __init__(
        self,
        changed: tuple[str, ...] | Unresolved | AllChanged = (),
        tree: tuple[str, ...] = (),
    ) -> None:
        self._changed = changed
        self._tree = tree

    def changed_files(self, _compare_to: str | None) -> tuple[str, ...] | Unresolved | AllChanged:
        return self._changed

    def files(self, project: str | None, _ref: str | None) -> tuple[str, ...] | Unresolved:
        return Unresolved("not here") if project else self._tree


def trigger(**changes: Any) -> Trigger:
    facts: dict[str, Any] = {"root": "/r", "branch": "main", "commit": COMMIT, **changes}
    return Trigger(**facts)


def run(config: dict[str, Any], facts: Repository | None = None, **changes: Any) -> Pipeline:
    composed = compose(config)
    assert [problem.message for problem in composed.problems if problem.severity == "error"] == []
    return evaluate(composed, trigger(**changes), facts or Repository())


def names(pipeline: Pipeline) -> list[str]:
    return [job.name for job in pipeline.jobs]


def messages(pipeline: Pipeline) -> list[str]:
    return [problem.message for problem in pipeline.problems]


def test_jobs_come_in_the_order_of_their_stages() -> None:
    pipeline = run(
        {
            "stages": ["one", "two"],
            "b": {"stage": "two", "script": "x"},
            "end": {"stage": ".post", "script": "x"},
            "a": {"stage": "one", "script": "x"},
            "begin": {"stage": ".pre", "script": "x"},
        }
    )
    assert names(pipeline) == ["begin", "a", "b", "end"]
    assert pipeline.stages == (".pre", "one", "two", ".post")


RULES = [
    # rules, branch, verdict, when, allow_failure
    ([{"if": '$CI_COMMIT_BRANCH == "main"'}], "main", "in", When.ON_SUCCESS, False),
    ([{"if": '$CI_COMMIT_BRANCH == "main"'}], "dev", "out", None, None),
    ([{"when": "never"}], "main", "out", None, None),
    ([{"if": "$NO"}, {"when": "manual"}], "main", "in", When.MANUAL, False),
    ([{"when": "manual", "allow_failure": True}], "main", "in", When.MANUAL, True),
    ([{"if": "$NO", "when": "manual"}, {"when": "always"}], "main", "in", When.ALWAYS, False),
]


@pytest.mark.parametrize(("rules", "branch", "verdict", "when", "allowed"), RULES)
def test_rules(
    rules: list[Any], branch: str, verdict: str, when: When | None, allowed: bool | None
) -> None:
    pipeline = run(
        {"job": {"script": "x", "rules": rules}, "other": {"script": "x"}}, branch=branch
    )
    job = next(job for job in (*pipeline.jobs, *pipeline.excluded) if job.name == "job")
    assert job.decision.verdict.value == verdict
    if verdict == "in":
        assert job.when is when
        assert job.allow_failure.allowed is allowed


def test_a_decision_names_its_rule_and_the_values_that_it_read() -> None:
    rules = [{"if": "$CI_COMMIT_TAG"}, {"if": '$CI_COMMIT_BRANCH == "main"'}]
    job = run({"job": {"script": "x", "rules": rules}}).jobs[0]
    assert job.decision.rule == 2
    assert [(check.clause, check.result, dict(check.values)) for check in job.decision.checks] == [
        ("if", False, {"CI_COMMIT_TAG": None}),
        ("if", True, {"CI_COMMIT_BRANCH": "main"}),
    ]


def test_rules_see_job_global_and_user_variables_by_precedence() -> None:
    config = {
        "variables": {"A": "global", "B": "global", "C": "global"},
        "job": {
            "script": "x",
            "variables": {"B": "job", "C": "job"},
            "rules": [{"if": '$A == "global" && $B == "job" && $C == "user"'}],
        },
    }
    assert names(run(config, variables=(GivenVariable(key="C", value="user"),))) == ["job"]


def test_a_matching_rule_adds_its_variables_and_needs() -> None:
    rule = {"if": "$CI_COMMIT_BRANCH", "variables": {"X": "rule"}, "needs": ["a"]}
    config = {
        "a": {"script": "x", "stage": "build"},
        "b": {"script": "x", "stage": "build"},
        "job": {
            "script": "x",
            "stage": "test",
            "needs": ["b"],
            "variables": {"X": "job", "Y": "job"},
            "rules": [rule],
        },
    }
    job = run(config).jobs[-1]
    assert {key: value.value for key, value in job.variables.items()} == {"X": "rule", "Y": "job"}
    assert [need.job for need in job.needs or ()] == ["a"]


def test_a_rule_s_allow_failure_sets_the_job_s_exit_codes_aside() -> None:
    job = {"script": "x", "allow_failure": {"exit_codes": [3]}}
    with_rule = {**job, "rules": [{"when": "always", "allow_failure": True}]}
    pipeline = run({"plain": job, "ruled": with_rule})
    allowed = {job.name: job.allow_failure for job in pipeline.jobs}
    assert allowed["plain"] == AllowFailure(allowed=False, exit_codes=(3,))
    assert allowed["ruled"] == AllowFailure(allowed=True)


def test_a_manual_job_may_fail_unless_it_says_otherwise() -> None:
    pipeline = run(
        {
            "optional": {"script": "x", "when": "manual"},
            "blocking": {"script": "x", "when": "manual", "allow_failure": False},
        }
    )
    assert [job.allow_failure.allowed for job in pipeline.jobs] == [True, False]


def test_only_and_except_decide_jobs_without_rules() -> None:
    config = {
        "plain": {"script": "x"},
        "tags": {"script": "x", "only": ["tags"]},
        "pattern": {"script": "x", "only": ["/^ma/"]},
        "case": {"script": "x", "only": ["/^MA/i"]},
        "pushes": {"script": "x", "only": ["pushes"]},
        "elsewhere": {"script": "x", "only": ["main@other/project"]},
        "not-main": {"script": "x", "except": ["main"]},
        "by-variable": {"script": "x", "only": {"variables": ['$CI_COMMIT_BRANCH == "main"']}},
        "changed": {"script": "x", "only": {"changes": ["docs/*"]}},
        "unchanged": {"script": "x", "only": {"changes": ["src/*"]}},
    }
    pipeline = run(config, Repository(changed=("docs/a.md",)))
    assert names(pipeline) == ["plain", "pattern", "case", "pushes", "by-variable", "changed"]


def test_a_merge_request_pipeline_leaves_out_jobs_without_rules_or_only() -> None:
    config = {"plain": {"script": "x"}, "mr": {"script": "x", "only": ["merge_requests"]}}
    assert names(run(config, source=Source.MERGE_REQUEST)) == ["mr"]


def test_workflow_rules_remove_that_default_and_can_filter_the_pipeline_out() -> None:
    config = {"workflow": {"rules": [{"if": "$CI_PIPELINE_SOURCE"}]}, "plain": {"script": "x"}}
    assert names(run(config, source=Source.MERGE_REQUEST)) == ["plain"]
    out = run({**config, "workflow": {"rules": [{"if": "$CI_COMMIT_TAG"}]}})
    assert out.workflow.verdict is Verdict.OUT
    assert out.jobs == ()
    assert messages(out)[-1].startswith("Pipeline filtered out by workflow rules.")


def test_workflow_rules_give_variables_to_the_whole_pipeline() -> None:
    config = {
        "variables": {"MODE": "dev"},
        "workflow": {"rules": [{"if": "$CI_COMMIT_BRANCH", "variables": {"MODE": "release"}}]},
        "job": {"script": "x", "rules": [{"if": '$MODE == "release"'}]},
    }
    pipeline = run(config)
    assert names(pipeline) == ["job"]
    assert pipeline.variables["MODE"].value == "release"


EMPTY = [
    {"job": {"script": "x", "rules": [{"when": "never"}]}},
    {"pre": {"script": "x", "stage": ".pre"}, "post": {"script": "x", "stage": ".post"}},
]


@pytest.mark.parametrize("config", EMPTY)
def test_a_pipeline_without_jobs_is_gitlab_s_error(config: dict[str, Any]) -> None:
    assert messages(run(config))[-1] == (
        "Pipeline will not run for the selected trigger. The rules configuration prevented any "
        "jobs from being added to the pipeline."
    )


def test_jobs_may_be_in_an_include_that_was_not_read() -> None:
    missing = MissingInclude(kind="project", location="ci.yml", project="g/p", reason="no network")
    config = compose({"job": {"script": "x", "rules": [{"when": "never"}]}}, missing=(missing,))
    pipeline = evaluate(config, trigger(), Repository())
    assert [problem.severity for problem in pipeline.problems] == ["note", "note"]
    assert "there may be some in the includes not read" in messages(pipeline)[-1]


def test_a_need_that_rules_leave_out_is_gitlab_s_error_unless_optional() -> None:
    absent = {"script": "x", "stage": "build", "rules": [{"when": "never"}]}
    hard = {"script": "x", "stage": "test", "needs": ["absent"]}
    soft = {"script": "x", "stage": "test", "needs": [{"job": "absent", "optional": True}]}
    pipeline = run({"absent": absent, "hard": hard, "soft": soft})
    message = (
        "'hard' job needs 'absent' job, but 'absent' does not exist in the pipeline. This might be "
        "because of the only, except, or rules keywords. To need a job that sometimes does not "
        "exist in the pipeline, use needs:optional."
    )
    assert messages(pipeline) == [message]
    assert next(job for job in pipeline.jobs if job.name == "soft").needs == ()


def test_artifacts_come_from_needs_or_from_every_earlier_stage() -> None:
    config = {
        "stages": ["one", "two", "three"],
        "a": {"stage": "one", "script": "x"},
        "b": {"stage": "two", "script": "x"},
        "all": {"stage": "three", "script": "x"},
        "some": {"stage": "three", "script": "x", "dependencies": ["a"]},
        "none": {"stage": "three", "script": "x", "dependencies": []},
        "dag": {"stage": "three", "script": "x", "needs": ["a", {"job": "b", "artifacts": False}]},
    }
    found = {job.name: job.dependencies for job in run(config).jobs}
    assert found == {
        "a": (),
        "b": ("a",),
        "all": ("a", "b"),
        "some": ("a",),
        "none": (),
        "dag": ("a",),
    }


def test_a_missing_fact_is_unresolved_and_so_is_what_needs_the_job() -> None:
    config = {
        "a": {"script": "x", "stage": "build", "rules": [{"changes": ["*"]}]},
        "b": {"script": "x", "stage": "test", "needs": ["a"]},
        "c": {"script": "x", "stage": "deploy", "needs": ["b"]},
        "d": {"script": "x"},
    }
    pipeline = run(config, Repository(changed=Unresolved("a shallow clone")))
    verdicts = {job.name: job.decision.verdict.value for job in pipeline.jobs}
    assert verdicts == {"a": "unresolved", "b": "unresolved", "c": "unresolved", "d": "in"}
    assert "a shallow clone" in pipeline.jobs[0].decision.reason
    assert pipeline.jobs[-1].unresolved == ("needs b, which is unresolved",)


def test_no_diff_makes_every_changes_true() -> None:
    config = {"job": {"script": "x", "rules": [{"changes": ["never/matches"]}]}}
    assert names(run(config, Repository(changed=AllChanged("a new branch")))) == ["job"]


def test_inherited_variables_are_those_that_rules_see() -> None:
    job = {"script": "x", "rules": [{"if": "$A"}]}
    config = {
        "variables": {"A": "1", "B": "2"},
        "all": job,
        "none": {**job, "inherit": {"variables": False}},
        "one": {**job, "inherit": {"variables": ["A"]}},
        "other": {**job, "inherit": {"variables": ["B"]}},
    }
    assert names(run(config)) == ["all", "one"]


@pytest.mark.parametrize(("count", "complaint"), [(50, False), (51, True)])
def test_a_job_needs_at_most_fifty_others(count: int, complaint: bool) -> None:
    config: dict[str, Any] = {
        "many": {"script": "x", "stage": "build", "parallel": count},
        "job": {"script": "x", "stage": "test", "needs": ["many"]},
    }
    found = [message for message in messages(run(config)) if "can only need 50 others" in message]
    assert bool(found) is complaint
