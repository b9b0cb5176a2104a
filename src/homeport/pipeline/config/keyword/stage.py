"""`stage`: where in the order of the pipeline a job stands.

Source: GitLab's CI/CD YAML reference, `stage`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(
    name="stage",
    evaluated=True,
    run=YES,
    note="with `.pre` and `.post`",
    cases=("stages-in-order",),
)

DEFAULT_STAGE = "test"


def parse_stage(value: Any, entry: Entry) -> str | None:
    if isinstance(value, str):
        return str(value)
    entry.config("should be a string", "wrong-type")
    return None
