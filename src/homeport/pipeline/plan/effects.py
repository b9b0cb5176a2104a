"""Keywords in force that a local run does not honour: nothing is silently ignored.

The words are those of docs/reference/keywords.md with "no effect"; a test compares the two.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from homeport.errors import Problem, Severity
from homeport.pipeline.model.pipeline import PipelineJob

WHOLE: Final = frozenset((
    "dast_configuration", "identity", "inputs", "interruptible",
))  # fmt: skip
"""Keywords of a job of which nothing, or not what they are for, happens."""

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "artifacts": ("name", "expire_in", "expose_as", "public", "access"),
    "environment": ("auto_stop_in", "kubernetes"),
    "image": ("kubernetes",),
    "pages": ("path_prefix", "expire_in"),
    "services": ("kubernetes",),
}
"""Sub-keywords of keywords that are honoured otherwise."""

ON_NEW_COMMIT: Final = "on_new_commit"
_EMPTY: Final[tuple[Any, ...]] = (None, False, [], {}, "")


def without_effect(jobs: Iterable[PipelineJob], auto_cancel: Mapping[str, str]) -> Problem | None:
    """A note that names each keyword of these jobs, or of `workflow:auto_cancel`, that has no
    effect in a local run; None where there is none."""
    found: set[str] = set()
    seen: set[int] = set()
    for job in jobs:
        if id(job.job) not in seen:
            seen.add(id(job.job))
            found.update(_names(job))
    if ON_NEW_COMMIT in auto_cancel:
        found.add(f"workflow:auto_cancel:{ON_NEW_COMMIT}")
    if not found:
        return None
    return Problem(
        code="no-effect",
        severity=Severity.NOTE,
        message=f"without effect in a local run: {', '.join(sorted(found))}",
    )


def _names(job: PipelineJob) -> Iterator[str]:
    config = job.job
    for key in config.raw.keys() & WHOLE:
        if config.raw[key] not in _EMPTY:
            yield key
    for key in config.raw.keys() & PARTS.keys():
        yield from _parts(key, config.raw[key])
    # What is inherited does not stand in the job itself.
    if config.interruptible:
        yield "interruptible"
    if config.artifacts is not None and "artifacts" not in config.raw:
        for part in PARTS["artifacts"]:
            if getattr(config.artifacts, part) is not None:
                yield f"artifacts:{part}"


def _parts(key: str, value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, dict):
            for part in PARTS[key]:
                if item.get(part) is not None:
                    yield f"{key}:{part}"
