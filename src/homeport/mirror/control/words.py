"""Why a request was answered as it was, in words. Pure."""

from homeport.mirror.model.record import Cache, Record

_CACHES = {
    Cache.HIT: "it was held here",
    Cache.MISS: "it was not held, or was due for a check, and came from the upstream",
    Cache.JOINED: "it came from a download that another client had begun",
    Cache.STALE: "what is held was served although the upstream did not answer as it should",
    Cache.THROUGH: "it went through from the upstream without being kept",
    Cache.NEGATIVE: "the upstream had said a moment ago that it has no such thing",
}
_STATUSES = {
    401: "the client has to log in",
    403: "the upstream refuses it to the mirror",
    404: "neither the mirror nor the upstream has it",
    429: "the upstream's rate limit is used up",
    502: "the upstream failed, and nothing is held",
    503: "the mirror cannot answer now",
    504: "the upstream did not answer in time, and nothing is held",
}


def why(record: Record) -> str:
    """One sentence without its full stop."""
    if not record.allowed:
        return f"denied by rule {record.rule!r}: {record.reason or 'no reason is kept'}"
    said = _CACHES[Cache(record.cache)] if record.cache in set(Cache) else ""
    if record.status >= 400:
        said = said if record.cache == Cache.NEGATIVE else _STATUSES.get(record.status, "")
    parts = [said] if said else []
    if record.upstream_status or record.upstream_url:
        answered = f"answered {record.upstream_status}" if record.upstream_status else "was asked"
        parts.append(f"{record.upstream_url or record.upstream} {answered}")
    if record.reason:
        parts.append(record.reason)
    if not record.complete:
        parts.append("the answer was cut off")
    return "; ".join(parts) or "nothing more is known"
