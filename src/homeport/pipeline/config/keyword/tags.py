"""`tags`: which runners may take a job. Source: GitLab's CI/CD YAML reference, `tags`."""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.shapes import is_strings
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(name="tags", run=YES, note="by the [settings](settings.md#tags)")

MAX_TAGS = 50


def parse_tags(value: Any, entry: Entry) -> tuple[str, ...] | None:
    if not is_strings(value):
        entry.config("should be an array of strings", "wrong-type")
        return None
    if len(set(value)) >= MAX_TAGS:
        entry.config(f"must be less than the limit of {MAX_TAGS} tags", "limit")
    return tuple(value)
