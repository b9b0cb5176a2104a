"""`dast_configuration`: profiles of GitLab's DAST scanner, checked and kept.

Source: GitLab's CI/CD YAML reference, `dast_configuration`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.status import NO_EFFECT, Keyword

STATUS = Keyword(
    name="dast_configuration", run=NO_EFFECT, note="the profiles are on a GitLab server"
)

_KEYS = ("site_profile", "scanner_profile")


def parse_dast_configuration(value: Any, entry: Entry) -> None:
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return
    entry.keys(value, _KEYS)
    for key in _KEYS:
        entry.string(value, key)
