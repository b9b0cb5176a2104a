"""`dependencies`: whose artifacts a job fetches.

Source: GitLab's CI/CD YAML reference, `dependencies`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.shapes import is_strings
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(name="dependencies", evaluated=True, run=YES, cases=("artifacts-handed-on",))


def parse_dependencies(value: Any, entry: Entry) -> tuple[str, ...] | None:
    if is_strings(value):
        return tuple(value)
    entry.owner("dependencies should be an array of strings", "wrong-type")
    return None
