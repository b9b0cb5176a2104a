"""`id_tokens` and `identity`: tokens that GitLab signs; none can be had here, they are checked.

Source: GitLab's CI/CD YAML reference, `id_tokens`, `identity`.
"""

from collections.abc import Mapping
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.shapes import is_strings

_PROVIDERS = ("google_cloud",)


def parse_id_tokens(value: Any, entry: Entry) -> Mapping[str, Any]:
    """Name of the token → its mapping (`aud`: the audiences)."""
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return {}
    for name, token in value.items():
        _check_token({} if token is None else token, entry.child(value, name))
    return dict(value)


def _check_token(token: Any, entry: Entry) -> None:
    if not isinstance(token, dict):
        entry.config("missing required keys: aud", "missing-key")
        return
    entry.required(token, ("aud",))
    entry.keys(token, ("aud",))
    audience = token.get("aud")
    if not (isinstance(audience, str) or is_strings(audience)):
        entry.wrong(token, "aud", "should be an array of strings or a string")


def parse_identity(value: Any, entry: Entry) -> str | None:
    if value in _PROVIDERS:
        return str(value)
    if not isinstance(value, str):
        entry.config("should be a string", "wrong-type")
    elif is_blank(value) or value not in _PROVIDERS:
        entry.config(f"should be one of: {', '.join(_PROVIDERS)}", "not-allowed")
    return None
