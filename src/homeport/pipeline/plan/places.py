"""Where a job runs: on the host's shell, in a container, or not at all, and why.

A job with an image runs in a container, whatever the host has; one without runs in the default
image of the settings, else in the shell. A job that asks for what a local run does not have is
not run, with the reason: it must never look green.
"""

from collections.abc import Collection, Iterator

from msgspec import Struct

from homeport.pipeline.model.config import Image, Job
from homeport.pipeline.model.pipeline import PipelineJob
from homeport.pipeline.model.plan import Runs
from homeport.settings.model import ExecutorChoice, Settings, TagRule, TagRuns


class Place(Struct, frozen=True, kw_only=True):
    """`image` is also set for a job in the shell that names one; `not_run` is the reason of
    `Runs.NOWHERE`."""

    runs: Runs
    image: Image | None = None
    not_run: str | None = None


def choose_place(
    job: PipelineJob,
    settings: Settings,
    *,
    is_child: bool = False,
    given: Collection[str] = (),
) -> Place:
    """The place of one job under these settings. In a child pipeline (`is_child`) a job may need
    others of the pipelines above it. `given` are the variables that the user has given it."""
    lacking = next(_lacking(job, settings, is_child=is_child, given=given), None)
    if lacking is not None:
        return Place(runs=Runs.NOWHERE, not_run=lacking)
    if job.job.trigger is not None:
        return Place(runs=Runs.DOWNSTREAM)
    rule = _tag_rule(job.job, settings)
    if rule is not None and rule.runs is TagRuns.NOT_RUN:
        tags = ", ".join(job.job.tags)
        return Place(
            runs=Runs.NOWHERE, not_run=f"the settings say that jobs tagged {tags} are not run"
        )
    return _container_or_shell(job.job, rule, settings)


def _container_or_shell(job: Job, rule: TagRule | None, settings: Settings) -> Place:
    image = job.image or _image(rule.image if rule else None) or _image(settings.default_image)
    wanted = settings.executor
    if wanted is ExecutorChoice.AUTO and rule is not None:
        wanted = ExecutorChoice(rule.runs.value)
    in_shell = wanted is ExecutorChoice.SHELL or (image is None and wanted is ExecutorChoice.AUTO)
    if in_shell and job.services:
        return Place(
            runs=Runs.NOWHERE,
            not_run="it uses services, which need a container, and it is to run in the shell "
            f"({', '.join(service.name for service in job.services)})",
        )
    if wanted is ExecutorChoice.SHELL:
        return Place(runs=Runs.SHELL, image=job.image)
    if image is None:
        if wanted is ExecutorChoice.AUTO:
            return Place(runs=Runs.SHELL)
        return Place(
            runs=Runs.NOWHERE,
            not_run="it is to run in a container, but names no image and the settings have no "
            "default_image",
        )
    return Place(runs=Runs.CONTAINER, image=image)


def _image(name: str | None) -> Image | None:
    return Image(name=name) if name else None


def _tag_rule(job: Job, settings: Settings) -> TagRule | None:
    return next((settings.tags[tag] for tag in job.tags if tag in settings.tags), None)


def _lacking(
    job: PipelineJob, settings: Settings, *, is_child: bool, given: Collection[str]
) -> Iterator[str]:
    """What the job asks for that a local run does not have."""
    config = job.job
    trigger = config.trigger
    if trigger is not None and not trigger.include:
        if trigger.project is None:
            yield "it mirrors the status of a pipeline elsewhere, which homeport does not know"
        elif "$" not in trigger.project and trigger.project.lower() not in settings.projects:
            yield (
                f"it triggers a pipeline of another project ({trigger.project}); "
                f"--project {trigger.project}=PATH runs a checkout of it"
            )
    if config.run:
        from homeport.pipeline.plan.steps import remote_step

        for step in config.run:
            if (elsewhere := remote_step(step)) is not None:
                yield f"its step {step.get('name')} is not in this repository: {elsewhere}"
    if config.secrets:
        from homeport.pipeline.plan.secrets import unmapped

        if words := unmapped(config.secrets, settings, given):
            yield words
    for need in job.cross_needs:
        if need.optional or need.project or (is_child and need.pipeline and need.job):
            continue
        if need.job is None:
            yield f"it mirrors the status of {need.pipeline}, which homeport does not know"
        else:
            yield f"it needs artifacts of pipeline {need.pipeline}, which are not available here"
