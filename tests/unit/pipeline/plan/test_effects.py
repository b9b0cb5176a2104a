"""The note about keywords that a local run does not honour."""

from importlib import import_module

import pytest

from homeport.pipeline.config.compose import compose
from homeport.pipeline.config.keyword import (
    artifacts,
    environment,
    image,
    pages,
    services,
    workflow,
)
from homeport.pipeline.config.keywords import JOB_KEYS
from homeport.pipeline.config.status import NO_EFFECT, PARTLY, Keyword
from homeport.pipeline.document.load import load
from homeport.pipeline.model.pipeline import Decision, PipelineJob, Verdict
from homeport.pipeline.plan.effects import ON_NEW_COMMIT, PARTS, WHOLE, without_effect

CASES: list[tuple[str, str | None]] = [
    ("{x: {script: e, artifacts: {paths: [a]}, image: a, services: [b]}}", None),
    ("{x: {script: e, cache: {paths: [a]}}}", None),
    (
        "{x: {script: e, artifacts: {paths: [a], expire_in: 1 day, name: b}}}",
        "artifacts:expire_in, artifacts:name",
    ),
    ("{default: {artifacts: {access: none}}, x: {script: e}}", "artifacts:access"),
    ("{x: {script: e, image: {name: a, kubernetes: {user: b}}}}", "image:kubernetes"),
    ("{x: {script: e, services: [{name: a, kubernetes: {user: b}}]}}", "services:kubernetes"),
    (
        "{x: {script: e, release: {tag_name: a, description: b}}, y: {script: e, environment: c}}",
        None,
    ),
    (
        "{x: {script: e, environment: {name: a, auto_stop_in: 1 day}}}",
        "environment:auto_stop_in",
    ),
    ("{x: {script: e, pages: false}, y: {script: e, pages: true}}", None),
    ("{x: {script: e, pages: {expire_in: 1 day}}}", "pages:expire_in"),
    ("{default: {hooks: {pre_get_sources_script: a}}, x: {script: e}}", None),
    ("{default: {interruptible: true}, x: {script: e, interruptible: false}}", None),
    ("{default: {interruptible: true}, x: {script: e}}", "interruptible"),
]


def jobs(file: str) -> list[PipelineJob]:
    config = compose(load(file.encode(), "x.yml").content)
    decision = Decision(verdict=Verdict.IN, reason="")
    return [
        PipelineJob(name=name, group=name, job=job, stage=job.stage, decision=decision)
        for name, job in config.jobs.items()
    ]


@pytest.mark.parametrize(("file", "names"), CASES)
def test_note(file: str, names: str | None) -> None:
    found = without_effect(jobs(file), {})
    expected = None if names is None else f"without effect in a local run: {names}"
    assert (found.message if found else None) == expected


def test_auto_cancel_on_a_new_commit() -> None:
    found = without_effect((), {ON_NEW_COMMIT: "interruptible", "on_job_failure": "all"})
    assert found is not None
    assert found.message == "without effect in a local run: workflow:auto_cancel:on_new_commit"


TOLD = {"environment", "pages", "release"}
"""What became of these stands in the summary."""
SHARED = {"only", "except"}
"""Two keywords of one file, honoured both."""


def status_of(name: str) -> Keyword | None:
    found = import_module(f"homeport.pipeline.config.keyword.{name}").STATUS
    return found if isinstance(found, Keyword) else None


def test_the_note_knows_what_the_keywords_say_of_themselves() -> None:
    said = {name: found for name in JOB_KEYS - SHARED if (found := status_of(name)) is not None}
    effectless = {name for name, keyword in said.items() if keyword.run == NO_EFFECT}
    partly = {name for name, keyword in said.items() if keyword.run == PARTLY}
    assert effectless | (partly - TOLD) == WHOLE
    for keyword in (
        artifacts.STATUS,
        environment.STATUS,
        image.STATUS,
        pages.STATUS,
        services.STATUS,
    ):
        parts = {part.name.split(":")[0] for part in keyword.parts if part.run == NO_EFFECT}
        assert parts == set(PARTS[keyword.name])
    [cancel] = [part for part in workflow.STATUS.parts if part.name.endswith(ON_NEW_COMMIT)]
    assert cancel.run == NO_EFFECT
