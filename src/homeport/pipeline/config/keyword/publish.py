"""`publish`: the folder of a site; the older spelling of `pages:publish`.

Source: GitLab's CI/CD YAML reference, `pages.publish`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(name="publish", run=YES, note="the older spelling of `pages:publish`")


def parse_publish(value: Any, entry: Entry) -> str | None:
    if isinstance(value, str):
        return str(value)
    entry.config("should be a string", "wrong-type")
    return None
