"""The images of a pipeline for `homeport doctor`, each with its place in the file."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from homeport.enroll.doctor.model import PipelineImage
from homeport.errors import Span
from homeport.oci.image_name import HUB, ImageName
from homeport.pipeline.model.document import Seq, span_of_value

if TYPE_CHECKING:
    from homeport.pipeline.flow import Evaluation
    from homeport.pipeline.model.pipeline import PipelineJob

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def images_of(evaluation: "Evaluation") -> tuple[PipelineImage, ...]:
    """Each image of each job, and of its services, once for a place."""
    found: dict[tuple[str, str], PipelineImage] = {}
    pipeline, trigger = evaluation.pipeline, evaluation.trigger
    common = {key: variable.value for key, variable in pipeline.variables.items()}
    common |= {variable.key: variable.value for variable in trigger.variables}
    for job in pipeline.jobs:
        known = {key: variable.value for key, variable in job.variables.items()}
        for image in _of_job(job, {**common, **known}):
            found.setdefault((image.name, image.place), image)
    return tuple(found.values())


def _of_job(job: "PipelineJob", known: Mapping[str, str]) -> Iterator[PipelineImage]:
    config = job.job
    if config.image is not None:
        yield _image(config.image.name, job.name, config.image.span or config.span, known)
    written = config.raw.get("services")
    for number, service in enumerate(config.services):
        span = config.span
        if isinstance(written, Seq) and len(written) == len(config.services):
            span = span_of_value(written, number) or span
        command = service.command or ()
        yield _image(service.name, job.name, span, known, service=True, command=command)


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
