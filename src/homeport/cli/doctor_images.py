"""The images of a pipeline for `homeport doctor`, each with its place in the file."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from homeport.enroll.doctor.model import Diagnosis, PipelineImage
from homeport.enroll.model import Finding
from homeport.errors import Span
from homeport.oci.image_name import HUB, ImageName
from homeport.pipeline.config.shapes import places
from homeport.pipeline.model.document import span_of_value

if TYPE_CHECKING:
    from homeport.pipeline.flow import Evaluation
    from homeport.pipeline.model.config import Job
    from homeport.pipeline.model.pipeline import PipelineJob

_LOOKED_AT = ("mirror-not-hub", "mirror-dind")
"""Codes of `homeport lint --mirror` for what is looked at with the engines of this machine."""
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def images_of(evaluation: "Evaluation") -> tuple[PipelineImage, ...]:
    """Each image of each job, and of its services, once for a place."""
    found: dict[tuple[str, str], PipelineImage] = {}
    pipeline, trigger = evaluation.pipeline, evaluation.trigger
    common = {key: variable.value for key, variable in pipeline.variables.items()}
    common |= {variable.key: variable.value for variable in trigger.variables}
    for job in pipeline.jobs:
        known = {key: variable.value for key, variable in job.variables.items()}
        for image in _of_job(job, {**common, **known}, evaluation.merged):
            found.setdefault((image.name, image.place), image)
    return tuple(found.values())


def _of_job(
    job: "PipelineJob", known: Mapping[str, str], merged: Mapping[Any, Any]
) -> Iterator[PipelineImage]:
    config = job.job
    if config.image is not None:
        yield _image(config.image.name, job.name, config.image.span or config.span, known)
    for number, service in enumerate(config.services):
        span = _place(config, merged, number)
        command = service.command or ()
        yield _image(service.name, job.name, span, known, service=True, command=command)


def _place(config: "Job", merged: Mapping[Any, Any], number: int) -> Span | None:
    """Where a service was written: in the job, in `default:`, or at the top."""
    for owner in (config.raw, merged.get("default"), merged):
        written = owner.get("services") if isinstance(owner, Mapping) else None
        if isinstance(written, list):
            items = [each for each in places(written) if each[0][each[1]] is not None]
            return span_of_value(*items[number]) if number < len(items) else config.span
    return config.span


def own_engines(evaluation: "Evaluation", hub_url: str) -> Iterator[Diagnosis]:
    """Builders and tools of the jobs that have no part in the machine's configuration (buildx,
    kaniko, clients in a job's image), and what Dockerfiles build on."""
    from homeport.cli.lint import for_mirror
    from homeport.oci.mirror_address import is_mirror

    if not is_mirror(hub_url):
        return
    for problem in for_mirror(evaluation, hub_url):
        if problem.code not in _LOOKED_AT:
            place = str(problem.span) if problem.span else ""
            hint, severity = problem.hint or "", problem.severity.value
            found = Finding(problem.code, problem.message, hint, place, severity)
            yield Diagnosis("the pipeline", found)


def _image(
    text: str,
    job: str,
    span: Span | None,
    known: Mapping[str, str],
    *,
    service: bool = False,
    command: tuple[str, ...] = (),
) -> PipelineImage:
    place = str(span) if span else ""
    name = text
    for _ in range(8):  # variables may name variables
        if "$" not in name:
            break
        name = _VARIABLE.sub(lambda found: known.get(found[1] or found[2], found[0]), name)
    missing = _VARIABLE.search(name)
    if missing is not None:
        unknown = f"${missing[1] or missing[2]}"
        return PipelineImage(text, job, place, service=service, unknown=unknown)
    parsed = ImageName.parse(name)
    if parsed is None:
        return PipelineImage(name, job, place, service=service, unknown=name)
    path = parsed.path
    if parsed.registry == HUB and "/" not in path:
        path = f"library/{path}"
    tag, _, digest = parsed.suffix.partition("@")
    reference = digest or tag.removeprefix(":") or "latest"
    return PipelineImage(
        name, job, place, parsed.registry, path, reference, service=service, command=command
    )
