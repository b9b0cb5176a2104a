"""An upstream's own rate limit, as Docker Hub tells it (docs.docker.com, "Pull usage and limits";
draft-ietf-httpapi-ratelimit-headers): `ratelimit-limit: 100;w=21600`."""

import re
from collections.abc import Mapping

from homeport.mirror.upstream.api import Quota

LEARN_SECONDS = 60.0
"""How long a quota of nothing is believed before the upstream is asked again."""
_POLICY = re.compile(r"\s*(\d{1,9})\s*(?:;[^,]*?\bw=(\d{1,9}))?")


def parse_quota(headers: Mapping[str, str], *, now: float) -> Quota | None:
    """The quota in the headers of an answer, None where there is none. `window` is seconds, 0 where
    it is not said."""
    remaining = _POLICY.match(headers.get("ratelimit-remaining", ""))
    if remaining is None:
        return None
    limit = _POLICY.match(headers.get("ratelimit-limit", "")) or remaining
    return Quota(
        limit=int(limit[1]),
        remaining=int(remaining[1]),
        window=float(limit[2] or remaining[2] or 0),
        seen=now,
    )


def seconds_to_wait(quota: Quota | None, *, now: float) -> float | None:
    """How long nothing that counts should be asked for, None for not at all. When a quota comes
    back is not said, so that after a minute one request finds out."""
    if quota is None or quota.remaining > 0:
        return None
    left = quota.seen + LEARN_SECONDS - now
    return left if left > 0 else None
