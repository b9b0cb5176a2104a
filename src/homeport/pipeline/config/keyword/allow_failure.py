"""`allow_failure`: true, false, or the exit codes that are forgiven.

Source: GitLab's CI/CD YAML reference, `allow_failure`, `allow_failure:exit_codes`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.shapes import is_integer
from homeport.pipeline.config.status import YES, Keyword
from homeport.pipeline.model.config import AllowFailure

STATUS = Keyword(
    name="allow_failure",
    run=YES,
    parts=(Keyword(name="exit_codes", run=YES, cases=("allow-failure-other-exit-code",)),),
    cases=("allow-failure",),
)

_ALWAYS = AllowFailure(allowed=True)
_NEVER = AllowFailure(allowed=False)


def parse_allow_failure(value: Any, entry: Entry) -> AllowFailure | None:
    if isinstance(value, bool):
        return _ALWAYS if value else _NEVER
    if not isinstance(value, dict):
        entry.owner("allow failure should be a hash or a boolean value", "wrong-type")
        return None
    entry.keys(value, ("exit_codes",))
    codes = value.get("exit_codes")
    if codes is None:
        return _NEVER
    if is_integer(codes):
        return AllowFailure(allowed=False, exit_codes=(codes,))
    if isinstance(codes, list) and all(map(is_integer, codes)):
        return AllowFailure(allowed=False, exit_codes=tuple(codes))
    entry.wrong(value, "exit_codes", "should be an array of integers or an integer")
    return None


def parse_bridge_allow_failure(value: Any, entry: Entry) -> AllowFailure | None:
    """A trigger job knows no exit codes."""
    if isinstance(value, bool):
        return _ALWAYS if value else _NEVER
    entry.owner("allow failure should be a boolean value", "wrong-type")
    return None
