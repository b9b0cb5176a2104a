"""`script`: a string or a nested array of strings, as other keywords that hold commands are.

Source: GitLab's CI/CD YAML reference, `script`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.shapes import flatten, is_nested
from homeport.pipeline.config.status import YES, Keyword
from homeport.pipeline.model.document import span_of_value

STATUS = Keyword(name="script", run=YES, cases=("stages-in-order",))

MAX_NESTING = 10


def parse_commands(value: Any, entry: Entry) -> tuple[str, ...] | None:
    """The commands in order, nested lists (as `!reference` leaves them) flattened."""
    if isinstance(value, str):
        return (value,)
    if is_nested(value, MAX_NESTING, _is_string):
        return tuple(flatten(value))
    items = value if isinstance(value, list) else []
    mapping = next((index for index, item in enumerate(items) if isinstance(item, dict)), None)
    entry.config(
        f"should be a string or a nested array of strings up to {MAX_NESTING} levels deep",
        "wrong-type",
        None if mapping is None else span_of_value(value, mapping),
        None if mapping is None else "put a command that contains `: ` in quotes",
    )
    return None


def _is_string(value: Any) -> bool:
    return isinstance(value, str)
