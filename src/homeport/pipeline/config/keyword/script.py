"""`script`: a string or a nested array of strings, as other keywords that hold commands are.

Source: GitLab's CI/CD YAML reference, `script`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.shapes import flatten, is_nested
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(name="script", run=YES, cases=("stages-in-order",))

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


def _is_string(value: Any) -> bool:
    return isinstance(value, str)
