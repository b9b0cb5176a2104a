"""`extends`: the jobs that a job is merged with, by `config/extends.py`, before it is read.

Source: GitLab's CI/CD YAML reference, `extends`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.shapes import is_strings
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(name="extends", evaluated=True, run=YES)


def check_extends(job: Any, entry: Entry) -> None:
    extends = job.get("extends")
    if extends is not None and not (isinstance(extends, str) or is_strings(extends)):
        entry.wrong(job, "extends", "should be an array of strings or a string")
