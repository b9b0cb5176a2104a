"""Somebody who was proven, before the configuration's groups are added."""

from collections.abc import Mapping

from msgspec import Struct

from homeport.mirror.model.principal import Proof

ROBOT_PREFIX = "robot$"
MAX_NAME = 255
_NOBODY = "anonymous"


class Identity(Struct, frozen=True, kw_only=True):
    """`until` is when it ends by itself (a robot's expiry, a token's), None for never. `stamp`
    changes with the stored credential: what was issued for an older one is void."""

    name: str
    proof: Proof
    groups: tuple[str, ...] = ()
    claims: Mapping[str, str] = {}
    until: float | None = None
    stamp: str = ""


def name_fault(name: str) -> str | None:
    """Why nobody may be called so, None if somebody may. Rules give two names a meaning of their
    own; a certificate or an issuer must not be able to claim them."""
    if not name or len(name) > MAX_NAME:
        return f"a name has 1 to {MAX_NAME} characters"
    if not name.isprintable():
        return "a name has no control characters"
    if name == _NOBODY:
        return f"{_NOBODY!r} is the name of nobody"
    if name.startswith(ROBOT_PREFIX):
        return f"names that begin with {ROBOT_PREFIX!r} are those of robot accounts"
    return None
