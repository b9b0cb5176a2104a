"""`manual_confirmation`: what GitLab asks before it starts a manual job.

Source: GitLab's CI/CD YAML reference, `manual_confirmation`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(
    name="manual_confirmation", run=YES, note="asked on a terminal; naming the job starts it"
)


def check_manual_confirmation(job: Any, entry: Entry) -> None:
    entry.string(job, "manual_confirmation")
