"""`identity`: a cloud's identity for the job, which GitLab vouches for; it is checked.

Source: GitLab's CI/CD YAML reference, `identity`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.status import NO_EFFECT, Keyword

STATUS = Keyword(name="identity", run=NO_EFFECT, note="a GitLab server vouches for it")

_PROVIDERS = ("google_cloud",)


def parse_identity(value: Any, entry: Entry) -> str | None:
    if value in _PROVIDERS:
        return str(value)
    if not isinstance(value, str):
        entry.config("should be a string", "wrong-type")
    elif is_blank(value) or value not in _PROVIDERS:
        entry.config(f"should be one of: {', '.join(_PROVIDERS)}", "not-allowed")
    return None
