"""`script`, `before_script`, `after_script`: a string or a nested array of strings.

Also `hooks` (`pre_get_sources_script`) and a service's `command`. Source: GitLab's CI/CD YAML
reference, `script`, `hooks`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.shapes import flatten, is_nested

MAX_NESTING = 10


def parse_commands(value: Any, entry: Entry) -> tuple[str, ...] | None:
    """The commands in order, nested lists (as `!reference` leaves them) flattened."""
    if isinstance(value, str):
        return (value,)
    if is_nested(value, MAX_NESTING, _is_string):
        return tuple(flatten(value))
    entry.config(
        f"should be a string or a nested array of strings up to {MAX_NESTING} levels deep",
        "wrong-type",
    )
    return None


def parse_hooks(value: Any, entry: Entry) -> tuple[str, ...]:
    """`hooks:pre_get_sources_script`, the only hook there is."""
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return ()
    entry.keys(value, ("pre_get_sources_script",))
    script = value.get("pre_get_sources_script")
    if script is None:
        return ()
    return parse_commands(script, entry.child(value, "pre_get_sources_script")) or ()


def _is_string(value: Any) -> bool:
    return isinstance(value, str)
