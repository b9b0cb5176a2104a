"""Jobs that cannot be read because they extend or reference what no known file defines.

They keep their place among the other jobs, and the stage that can be told of them, so that `list`
shows the pipeline as it was written.
"""

from collections.abc import Mapping
from typing import Any

from homeport.pipeline.config.keyword.stage import DEFAULT_STAGE
from homeport.pipeline.config.ruby import ruby_string
from homeport.pipeline.config.shapes import is_strings
from homeport.pipeline.model.config import Job
from homeport.pipeline.model.document import span_of_key

_MAX_STEPS = 200
"""How many bases are looked at for the stage of one job."""


def with_unresolved(
    jobs: Mapping[str, Job],
    unresolved: Mapping[str, tuple[str, ...]],
    written: Mapping[Any, Any],
) -> dict[str, Job]:
    """`jobs` and the unresolved ones (name → reasons), in the order of `written`."""
    found = dict(jobs)
    for name, reasons in unresolved.items():
        raw = written.get(name)
        found[name] = Job(
            name=name,
            stage=_stage(name, written),
            span=span_of_key(written, name) if name in written else None,
            raw=raw if isinstance(raw, dict) else {},
            unresolved=tuple(reasons),
        )
    place = {ruby_string(name): index for index, name in enumerate(written)}
    return dict(sorted(found.items(), key=lambda item: place.get(item[0], len(place))))


def _stage(name: str, written: Mapping[Any, Any]) -> str:
    """The job's own stage, else that of the last known base that has one, as a merge would do."""
    todo, steps = [name], 0
    while todo and steps < _MAX_STEPS:
        steps += 1
        value = written.get(todo.pop())
        if not isinstance(value, dict):
            continue
        stage = value.get("stage")
        if isinstance(stage, str):
            return stage
        bases = value.get("extends")
        if isinstance(bases, str):
            todo.append(bases)
        elif is_strings(bases):
            todo += bases
    return DEFAULT_STAGE
