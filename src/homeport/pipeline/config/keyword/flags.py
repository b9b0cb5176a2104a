"""Keywords that are true or false: `interruptible`, `cache:untracked` and their like."""

from typing import Any

from homeport.pipeline.config.entry import Entry


def parse_boolean(value: Any, entry: Entry) -> bool | None:
    if isinstance(value, bool):
        return value
    entry.config("should be a boolean value", "wrong-type")
    return None
