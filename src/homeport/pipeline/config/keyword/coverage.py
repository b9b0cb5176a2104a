"""`coverage`: a regular expression between slashes that finds the figure in a job's log.

Source: GitLab's CI/CD YAML reference, `coverage`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.pattern import is_valid_regexp
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(name="coverage", run=YES, note="shown in the summary")


def parse_coverage(value: Any, entry: Entry) -> str | None:
    """The expression without its slashes (GitLab drops the first and last character)."""
    if isinstance(value, str) and is_valid_regexp(value):
        return value[1:-1]
    entry.config("must be a regular expression with re2 syntax", "invalid-regexp")
    return None
