"""`stages`: the order of the pipeline. Source: GitLab's CI/CD YAML reference, `stages`."""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.shapes import flatten, is_nested
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(name="stages", evaluated=True, run=YES, cases=("stages-in-order",))

MAX_NESTING = 10
EDGES = (".pre", ".post")
DEFAULT_STAGES = (".pre", "build", "test", "deploy", ".post")


def parse_stages(value: Any, entry: Entry) -> tuple[str, ...] | None:
    """The stages in order with `.pre` first and `.post` last; an empty list stays empty."""
    if not is_nested(value, MAX_NESTING, lambda item: isinstance(item, str)):
        entry.config(
            "should be an array of strings or a nested array of strings up to "
            f"{MAX_NESTING} levels deep",
            "wrong-type",
        )
        return None
    if not value:
        return ()
    between = flatten([item for item in value if item not in EDGES])
    return (EDGES[0], *dict.fromkeys(stage for stage in between if stage not in EDGES), EDGES[1])
