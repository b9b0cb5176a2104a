"""Which jobs a person means, and what they need."""

import pytest

from homeport.errors import UsageError
from homeport.pipeline.model.config import Job, Need
from homeport.pipeline.model.pipeline import Decision, Pipeline, PipelineJob, Verdict
from homeport.pipeline.plan.selection import find_jobs, select_jobs

IN = Decision(verdict=Verdict.IN, reason="it has no rules, only or except")
OUT = Decision(verdict=Verdict.OUT, reason="no rule matched")


def job(
    name: str, stage: str, needs: tuple[str, ...] | None = None, group: str | None = None
) -> PipelineJob:
    return PipelineJob(
        name=name,
        group=group or name,
        job=Job(name=group or name, stage=stage),
        stage=stage,
        decision=IN,
        needs=None if needs is None else tuple(Need(job=need) for need in needs),
    )


PIPELINE = Pipeline(
    workflow=IN,
    stages=("build", "test", "deploy"),
    jobs=(
        job("compile", "build"),
        job("docs", "build"),
        job("unit 1/2", "test", ("compile",), "unit"),
        job("unit 2/2", "test", ("compile",), "unit"),
        job("lint", "test", ()),
        job("deploy", "deploy"),
        job("notify", "deploy", ("lint",)),
    ),
    excluded=(
        PipelineJob(
            name="release",
            group="release",
            job=Job(name="release", stage="deploy"),
            stage="deploy",
            decision=OUT,
        ),
    ),
)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("lint", ["lint"]),
        ("unit", ["unit 1/2", "unit 2/2"]),
        ("unit 1/2", ["unit 1/2"]),
        ("un*", ["unit 1/2", "unit 2/2"]),
        ("*o*", ["compile", "docs", "deploy", "notify"]),
    ],
)
def test_find_jobs(pattern: str, names: list[str]) -> None:
    assert [found.name for found in find_jobs(pattern, PIPELINE.jobs)] == names


MATRIX = tuple(
    job(name, "build", group="build")
    for name in ("build: [linux, amd64]", "build: [linux, arm]", "build: [mac, arm]", "build: m")
)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("build: [linux, amd64]", ["build: [linux, amd64]"]),
        ("build: [linux, *]", ["build: [linux, amd64]", "build: [linux, arm]"]),
        ("build: [linux*", ["build: [linux, amd64]", "build: [linux, arm]"]),
        ("*, arm]", ["build: [linux, arm]", "build: [mac, arm]"]),
        ("build: [[]mac*", ["build: [mac, arm]"]),
        ("build: [km]", ["build: m"]),
    ],
)
def test_brackets_are_a_class_or_stand_for_themselves(pattern: str, names: list[str]) -> None:
    assert [found.name for found in find_jobs(pattern, MATRIX)] == names


@pytest.mark.parametrize(
    ("patterns", "needs", "names"),
    [
        (["lint"], True, ["lint"]),
        (["unit 1/2"], True, ["compile", "unit 1/2"]),
        (["unit 1/2"], False, ["unit 1/2"]),
        (["notify"], True, ["lint", "notify"]),
        (
            ["deploy"],
            True,
            ["compile", "docs", "unit 1/2", "unit 2/2", "lint", "deploy"],
        ),
    ],
)
def test_select_jobs(patterns: list[str], needs: bool, names: list[str]) -> None:
    selected = select_jobs(PIPELINE, patterns, needs=needs)
    assert [found.name for found in selected.jobs] == names
    assert selected.named == frozenset(patterns)


def test_every_wrong_pattern_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        select_jobs(PIPELINE, ["deplyo", "release", "nothing-like-it"], needs=False)
    first, second, third = caught.value.problems
    assert first.hint == "did you mean deploy?"
    assert second.message == "release is not in this pipeline: no rule matched"
    assert "list --all" in (third.hint or "")


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("build", "it is a stage, with the jobs compile, docs"),
        ("", "homeport list --all shows every job"),
    ],
)
def test_what_else_an_unknown_name_may_be(pattern: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_jobs(pattern, PIPELINE.jobs)
    assert [problem.hint for problem in caught.value.problems] == [hint]


@pytest.mark.parametrize("name", ["odd", "lost", "after"])
def test_needs_that_no_known_file_defines_are_passed_over(name: str) -> None:
    unknown = job("odd", "build", ("nowhere",)), job("lost", "no-such-stage"), job("after", "test")
    pipeline = Pipeline(workflow=IN, stages=("build", "test"), jobs=unknown)
    expected = {"odd": ["odd"], "lost": ["lost"], "after": ["odd", "after"]}[name]
    selected = select_jobs(pipeline, [name], needs=True)
    assert [found.name for found in selected.jobs] == expected
