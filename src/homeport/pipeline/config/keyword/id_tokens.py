"""`id_tokens`: tokens that GitLab signs; in a local run, a key of the user does.

Source: GitLab's CI/CD YAML reference, `id_tokens`.
"""

from collections.abc import Mapping
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.shapes import is_strings
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(
    name="id_tokens",
    run=YES,
    note="signed by a key of yours: [how to](../how-to/give-secrets-and-tokens.md)",
    cases=("id-tokens",),
    parts=(Keyword(name="aud", run=YES),),
)


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
