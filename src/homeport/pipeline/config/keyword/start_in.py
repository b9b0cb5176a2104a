"""`start_in`: how long a delayed job waits.

Source: GitLab's CI/CD YAML reference, `when: delayed`.
"""

from typing import Any

from homeport.pipeline.config.duration import WEEK, parse_duration, within
from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(name="start_in", run=YES)


def check_start_in(job: Any, entry: Entry) -> None:
    """`start_in` belongs to `when: delayed`, and only there; at most a week."""
    start_in = job.get("start_in")
    delayed = job.get("when") == "delayed"
    if delayed:
        if not isinstance(start_in, str) or parse_duration(start_in) is None:
            entry.wrong(job, "start_in", "should be a duration", "invalid-duration")
        if not (isinstance(start_in, str) and within(start_in, WEEK)):
            entry.wrong(job, "start_in", "should not exceed the limit", "limit")
    if ("rules" in job or not delayed) and not is_blank(start_in):
        entry.wrong(job, "start_in", "must be blank", "conflict")
