"""`when`: on what state of the pipeline a job starts.

Source: GitLab's CI/CD YAML reference, `when`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(
    name="when",
    evaluated=True,
    run=YES,
    cases=(
        "manual-blocks",
        "manual-optional",
        "failed-stage-skips-the-rest",
    ),
)

JOB_WHEN = ("on_success", "on_failure", "always", "manual", "delayed")
_BRIDGE_WHEN = ("on_success", "on_failure", "always", "manual")


def check_when(job: Any, entry: Entry, *, bridge: bool) -> None:
    """`never` is a word of rules alone; a trigger job cannot be delayed."""
    entry.one_of(job, "when", _BRIDGE_WHEN if bridge else JOB_WHEN)
