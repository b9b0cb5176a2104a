"""One line of the audit."""

from enum import StrEnum

from msgspec import Struct


class Cache(StrEnum):
    """How a pull was answered. JOINED: from a download that another client began; THROUGH: from the
    upstream without storing; STALE: the upstream did not answer as it should."""

    HIT = "hit"
    MISS = "miss"
    JOINED = "joined"
    STALE = "stale"
    THROUGH = "through"
    NEGATIVE = "negative"


class Outcome(Struct, frozen=True, kw_only=True):
    """What the serving part knows: `digest` and `size` of what was served or stored, `upstream_url`
    the host that answered, `upstream_status` its HTTP status (None: not asked, or no answer),
    `detail` a few words on why (no secrets)."""

    cache: Cache | None = None
    digest: str | None = None
    media_type: str | None = None
    size: int | None = None
    upstream_url: str | None = None
    upstream_status: int | None = None
    detail: str | None = None


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One pull, push, delete, denial or act of administration.

    `time` is seconds since 1970 (UTC), `duration` seconds, `sent` and `received` bytes of bodies.
    """

    time: float
    request: str
    listener: str
    action: str
    method: str
    status: int
    address: str
    principal: str = ""
    proof: str = "none"
    agent: str = ""
    upstream: str = ""
    repository: str = ""
    asked: str = ""
    reference: str = ""
    digest: str = ""
    cache: str = ""
    sent: int = 0
    received: int = 0
    allowed: bool = True
    rule: str = ""
    reason: str = ""
    upstream_url: str = ""
    upstream_status: int = 0
    duration: float = 0.0
    complete: bool = True
