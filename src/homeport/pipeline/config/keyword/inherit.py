"""`inherit`: which defaults and global variables a job takes.

Source: GitLab's CI/CD YAML reference, `inherit:default`, `inherit:variables`.
"""

from typing import Any

from msgspec import Struct

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.shapes import is_strings
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(
    name="inherit",
    evaluated=True,
    run=YES,
    parts=(
        Keyword(name="default", evaluated=True, run=YES),
        Keyword(name="variables", evaluated=True, run=YES),
    ),
)

DEFAULT_KEYS = (
    "before_script", "after_script", "hooks", "cache", "image", "services", "interruptible",
    "timeout", "retry", "tags", "artifacts", "id_tokens", "identity",
)  # fmt: skip
"""Keywords that `default:` may hold."""


class Inherit(Struct, frozen=True, kw_only=True):
    """True is all, False none, else the names that are inherited."""

    default: bool | tuple[str, ...] = True
    variables: bool | tuple[str, ...] = True

    def takes(self, keyword: str) -> bool:
        """Whether the job takes `keyword` of the defaults."""
        return self.default if isinstance(self.default, bool) else keyword in self.default


INHERIT_ALL = Inherit()


def parse_inherit(value: Any, entry: Entry) -> Inherit:
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return INHERIT_ALL
    entry.keys(value, ("default", "variables"))
    return Inherit(
        default=_part(value, "default", entry, DEFAULT_KEYS),
        variables=_part(value, "variables", entry, None),
    )


def _part(
    value: Any, key: str, parent: Entry, allowed: tuple[str, ...] | None
) -> bool | tuple[str, ...]:
    found = value.get(key)
    if found is None or isinstance(found, bool):
        return found is not False
    entry = parent.child(value, key)
    if not isinstance(found, list):
        entry.say("should be a bool or array of strings", "wrong-type", verbatim=True)
        return True
    if not is_strings(found):
        entry.config("should be an array of strings", "wrong-type")
        return True
    unknown = [item for item in found if allowed is not None and item not in allowed]
    if unknown:
        entry.config(f"contains unknown values: {', '.join(unknown)}", "unknown-key")
    return tuple(found)
