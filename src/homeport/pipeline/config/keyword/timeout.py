"""`timeout`: how long a job may run. Source: GitLab's CI/CD YAML reference, `timeout`."""

from typing import Any

from homeport.pipeline.config.duration import MONTH, parse_duration, within
from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(name="timeout", run=YES, note="one hour if not given", cases=("timeout",))


def parse_timeout(value: Any, entry: Entry) -> float | None:
    """Seconds; at most a month."""
    seconds = parse_duration(value) if isinstance(value, str) else None
    if seconds is None:
        entry.config("should be a duration", "invalid-duration")
    if not (isinstance(value, str) and within(value, MONTH)):
        entry.config("should not exceed the limit", "limit")
    return seconds
