"""Every spelling of a keyword, folded into its one form."""

from typing import Any

import pytest
import yaml

from homeport.errors import Severity
from homeport.pipeline.config.compose import compose
from homeport.pipeline.model.config import (
    AllowFailure,
    Artifacts,
    ArtifactsWhen,
    Cache,
    CacheKey,
    Changes,
    CrossNeed,
    Environment,
    Exists,
    Image,
    Job,
    Need,
    Parallel,
    Policy,
    Retry,
    Rule,
    Service,
    Trigger,
    Variable,
    When,
)

DEFAULT_KEY = CacheKey(key="default")


def job_of(text: str) -> Job:
    """Job `x` of a file that has `a` and `b` before it; the text is the rest of `x`."""
    written = yaml.safe_load(text)
    plain = {"script": "echo"}
    own = written if "trigger" in written or "run" in written else {**plain, **written}
    config = compose({"a": plain, "b": plain, "x": own})
    errors = [problem.message for problem in config.problems if problem.severity is Severity.ERROR]
    assert errors == []
    return config.jobs["x"]


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("script: a", "script", ("a",)),
        ("script: [[a, [b]], c]", "script", ("a", "b", "c")),
        ("hooks: {pre_get_sources_script: a}", "pre_get_sources_script", ("a",)),
        ("stage: build", "stage", "build"),
        ("when: manual", "when", When.MANUAL),
        ("image: alpine", "image", Image(name="alpine")),
        (
            "image: {name: a, entrypoint: [b], pull_policy: never, docker: {user: u, platform: p}}",
            "image",
            Image(
                name="a",
                entrypoint=("b",),
                pull_policy=("never",),
                docker_user="u",
                docker_platform="p",
            ),
        ),
        ("services: [a, [b]]", "services", (Service(name="a"), Service(name="b"))),
        (
            "services: [{name: a, alias: 'b, c', command: run, variables: {K: 1}}]",
            "services",
            (
                Service(
                    name="a",
                    aliases=("b", "c"),
                    command=("run",),
                    variables={"K": Variable(value="1")},
                ),
            ),
        ),
        (
            "variables: {A: 1, B: 1.0, C: true, D: null, E: {value: 2, expand: false}, 5: f}",
            "variables",
            {
                "A": Variable(value="1"),
                "B": Variable(value="1.0"),
                "C": Variable(value="true"),
                "D": Variable(value=""),
                "E": Variable(value="2", expand=False),
                "5": Variable(value="f"),
            },
        ),
        ("only: [main]", "only", Policy(refs=("main",))),
        (
            "only: {changes: [a]}",
            "only",
            Policy(refs=("branches", "tags"), changes=("a",)),
        ),
        ("only: {refs: [main]}", "only", Policy(refs=("main",))),
        ("except: {variables: [$A]}", "except_", Policy(variables=("$A",))),
        ("allow_failure: true", "allow_failure", AllowFailure(allowed=True)),
        (
            "allow_failure: {exit_codes: [1, 2]}",
            "allow_failure",
            AllowFailure(allowed=False, exit_codes=(1, 2)),
        ),
        ("needs: []", "needs", ()),
        (
            "needs: [a, {job: b, artifacts: false, optional: true}]",
            "needs",
            (Need(job="a"), Need(job="b", artifacts=False, optional=True)),
        ),
        ("needs: {job: a}", "needs", (Need(job="a"),)),
        (
            "needs: [{pipeline: $P, job: j}, {project: g/p, ref: main, job: k}]",
            "needs",
            (CrossNeed(pipeline="$P", job="j"), CrossNeed(project="g/p", ref="main", job="k")),
        ),
        ("dependencies: [a]", "dependencies", ("a",)),
        ("parallel: 3", "parallel", Parallel(total=3)),
        (
            "parallel: {matrix: [{A: [b, 1], C: d}]}",
            "parallel",
            Parallel(matrix=({"A": ("b", "1"), "C": ("d",)},)),
        ),
        ("retry: 2", "retry", Retry(max=2)),
        (
            "retry: {max: 1, when: script_failure, exit_codes: 3}",
            "retry",
            Retry(max=1, when=("script_failure",), exit_codes=(3,)),
        ),
        ("timeout: 1h 30m", "timeout", 5400),
        ("tags: [a]", "tags", ("a",)),
        (
            "artifacts: {paths: [a], when: always, expire_in: never, reports: {dotenv: b}}",
            "artifacts",
            Artifacts(
                paths=("a",),
                when=ArtifactsWhen.ALWAYS,
                expire_in="never",
                reports={"dotenv": ("b",)},
            ),
        ),
        ("cache: {paths: [a]}", "cache", (Cache(key=DEFAULT_KEY, paths=("a",)),)),
        (
            "cache: [{key: k, policy: pull}, {key: {files: [/f], prefix: p}, fallback_keys: [q]}]",
            "cache",
            (
                Cache(key=CacheKey(key="k"), policy="pull"),
                Cache(key=CacheKey(files=("f",), prefix="p"), fallback_keys=("q",)),
            ),
        ),
        ("coverage: '/(\\d+)%/'", "coverage", "(\\d+)%"),
        ("environment: prod", "environment", Environment(name="prod")),
        (
            "environment: {name: prod, url: u, action: stop, deployment_tier: production}",
            "environment",
            Environment(name="prod", url="u", action="stop", deployment_tier="production"),
        ),
        ("trigger: g/p", "trigger", Trigger(project="g/p")),
        (
            "trigger: {include: a.yml, strategy: depend, forward: {yaml_variables: false}}",
            "trigger",
            Trigger(
                include=({"local": "a.yml"},), strategy="depend", forward={"yaml_variables": False}
            ),
        ),
        (
            "trigger: {include: [{artifact: c.yml, job: a}, 'https://e.org/d.yml']}",
            "trigger",
            Trigger(include=({"artifact": "c.yml", "job": "a"}, {"remote": "https://e.org/d.yml"})),
        ),
        ("run: [{name: a, script: b}]", "run", ({"name": "a", "script": "b"},)),
        ("interruptible: true", "interruptible", True),
        ("resource_group: g", "resource_group", "g"),
        ("inherit: {variables: [A]}", "inherit_variables", ("A",)),
        ("inherit: {variables: false}", "inherit_variables", False),
        ("pages: true", "artifacts", Artifacts(paths=("public",))),
        ("pages: {publish: site}", "artifacts", Artifacts(paths=("site",))),
        ("{when: delayed, start_in: 5 minutes}", "start_in", 300),
        (
            """
            rules:
              - [{if: $A, when: delayed, start_in: 1 day, allow_failure: true}]
              - {changes: [p], exists: [q], variables: {K: v}, needs: [a], interruptible: true}
              - changes: {paths: [p], compare_to: main}
                exists: {paths: [q], project: g/p, ref: r}
              - {exists: null, when: never}
            """,
            "rules",
            (
                Rule(
                    if_="$A",
                    when=When.DELAYED,
                    start_in=86400,
                    allow_failure=AllowFailure(allowed=True),
                ),
                Rule(
                    changes=Changes(paths=("p",)),
                    exists=Exists(paths=("q",)),
                    variables={"K": Variable(value="v")},
                    needs=(Need(job="a"),),
                    interruptible=True,
                ),
                Rule(
                    changes=Changes(paths=("p",), compare_to="main"),
                    exists=Exists(paths=("q",), project="g/p", ref="r"),
                ),
                Rule(when=When.NEVER),
            ),
        ),
    ],
)
def test_form(text: str, field: str, expected: Any) -> None:
    assert getattr(job_of(text), field) == expected


def test_a_bridge_that_mirrors_a_pipeline_waits_for_its_stage() -> None:
    config = compose({"x": {"needs": {"pipeline": "g/p"}}})
    assert config.problems == ()
    assert config.jobs["x"].needs is None
    assert config.jobs["x"].trigger == Trigger()


def test_the_written_job_is_kept() -> None:
    written = {"script": "echo", "secrets": {"A": {"vault": "a/b@c"}}}
    job = compose({"x": written}).jobs["x"]
    assert job.raw is written
    assert job.secrets == {"A": {"vault": "a/b@c"}}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ({}, (".pre", "build", "test", "deploy", ".post")),
        ({"stages": ["a", "b"]}, (".pre", "a", "b", ".post")),
        ({"stages": [".post", ["a", ["b"]], ".pre"]}, (".pre", "a", "b", ".post")),
        ({"stages": []}, ()),
    ],
)
def test_stages(file: dict[str, Any], expected: tuple[str, ...]) -> None:
    stage = expected[1] if expected else "test"
    assert compose({**file, "x": {"script": "a", "stage": stage}}).stages == expected


def test_global_variables_and_workflow() -> None:
    config = compose(
        {
            "variables": {"A": {"value": "b", "description": "c", "options": ["b", "d"]}},
            "workflow": {
                "name": " n ",
                "rules": [{"if": "$A", "variables": {"B": 1}}, {"when": "never"}],
                "auto_cancel": {"on_new_commit": "interruptible"},
            },
            "x": {"script": "a"},
        }
    )
    assert config.problems == ()
    assert config.variables == {"A": Variable(value="b", description="c", options=("b", "d"))}
    assert config.workflow.name == "n"
    assert config.workflow.auto_cancel == {"on_new_commit": "interruptible"}
    assert config.workflow.rules is not None
    assert [rule.when for rule in config.workflow.rules] == [None, When.NEVER]
