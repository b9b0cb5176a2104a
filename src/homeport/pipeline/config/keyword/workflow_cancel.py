"""`workflow:auto_cancel` and `workflow:rules:auto_cancel`.

Source: GitLab's CI/CD YAML reference, `workflow:auto_cancel`.
"""

from collections.abc import Mapping
from typing import Any

from homeport.pipeline.config.entry import Entry

_ALLOWED = {
    "on_new_commit": ("conservative", "interruptible", "none"),
    "on_job_failure": ("none", "all"),
}


def parse_auto_cancel(value: Any, entry: Entry) -> Mapping[str, str]:
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return {}
    entry.keys(value, _ALLOWED)
    found = {
        key: entry.one_of(value, key, allowed, f"must be one of: {', '.join(allowed)}")
        for key, allowed in _ALLOWED.items()
    }
    return {key: item for key, item in found.items() if item is not None}
