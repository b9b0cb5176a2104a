"""What the client is told when the upstream fails: the one table (docs/reference, Errors).

Two rules are behind it. A client is never told 401 for the mirror's own trouble: dockerd would
answer with the user's Docker Hub credentials. And only a true 404 becomes a 404: a client must be
able to tell "there is none" from "I could not ask".
"""

import math

from msgspec import Struct

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.record import Cache, Outcome
from homeport.oci.error_code import ErrorCode
from homeport.remote.errors import (
    BusyError,
    CrowdedError,
    CutError,
    DeniedError,
    FailedError,
    ForbiddenTargetError,
    NotFoundError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)

RETRY_AFTER = 60.0
"""Seconds that a client is asked to wait where the upstream says 429 and not how long."""

LONGEST_RETRY_AFTER = 3600.0
_LONGEST_TEXT = 300


class _Answer(Struct, frozen=True):
    """`code` None: the one that the caller gives for what was asked for."""

    code: ErrorCode | None
    message: str
    remedy: str | None = None


_TABLE: dict[type[RemoteError], _Answer] = {
    NotFoundError: _Answer(None, "the upstream has no such thing"),
    DeniedError: _Answer(
        ErrorCode.DENIED,
        "the upstream refuses this",
        "it is private or does not exist there; give the mirror credentials for this upstream",
    ),
    BusyError: _Answer(
        ErrorCode.TOOMANYREQUESTS,
        "the upstream limits the rate of requests",
        "try again later, or give the mirror credentials with a higher limit",
    ),
    CrowdedError: _Answer(
        ErrorCode.TOOMANYREQUESTS, "too many requests wait for the upstream", "try again later"
    ),
    TimedOutError: _Answer(ErrorCode.TIMEOUT, "the upstream did not answer in time"),
    ForbiddenTargetError: _Answer(
        ErrorCode.UNAVAILABLE,
        "the upstream sends us to where the mirror may not go",
        "if that is right, list the host in this upstream's redirect_hosts or auth_hosts",
    ),
    UnreachableError: _Answer(ErrorCode.UNAVAILABLE, "the upstream cannot be reached"),
    CutError: _Answer(ErrorCode.UNAVAILABLE, "the upstream cut the transfer"),
    FailedError: _Answer(ErrorCode.UNAVAILABLE, "the upstream failed"),
}
_OTHER = _Answer(ErrorCode.UNAVAILABLE, "the upstream failed")


def registry_error(
    error: RemoteError,
    *,
    unknown: ErrorCode,
    digest: str | None = None,
    cache: Cache | None = None,
) -> RegistryError:
    """The answer for a failure of the upstream. `unknown` is the code of a true 404
    (BLOB_UNKNOWN, MANIFEST_UNKNOWN, NAME_UNKNOWN); `digest` and `cache` go into the outcome.

    The detail holds `upstream` (host), `status`, `cause`, `said` and `remedy`, as far as known.
    """
    answer = next((_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE), _OTHER)
    code = answer.code or unknown
    detail: dict[str, object] = {"cause": str(error)[:_LONGEST_TEXT]}
    if error.host:
        detail["upstream"] = error.host
    if error.status is not None:
        detail["status"] = error.status
    if error.detail:
        detail["said"] = error.detail[:_LONGEST_TEXT]
    if answer.remedy is not None:
        detail["remedy"] = answer.remedy
    return RegistryError(
        code,
        answer.message,
        detail=detail,
        headers=_retry_after(error),
        outcome=Outcome(
            cache=cache,
            digest=digest,
            upstream_url=error.host or None,
            upstream_status=error.status,
            detail=str(error)[:_LONGEST_TEXT],
        ),
    )


def _retry_after(error: RemoteError) -> dict[str, str]:
    if isinstance(error, CrowdedError):
        return {"Retry-After": "5"}
    if not isinstance(error, BusyError):
        return {}
    said = error.retry_after
    seconds = RETRY_AFTER if said is None or not math.isfinite(said) else said
    return {"Retry-After": str(max(1, math.ceil(min(seconds, LONGEST_RETRY_AFTER))))}
