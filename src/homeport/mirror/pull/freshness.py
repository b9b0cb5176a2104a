"""How long a tag is believed, what follows from an upstream's failure, and how both are said.

Pure: the caller gives the time.
"""

from collections.abc import Hashable
from datetime import UTC, datetime
from math import inf

from msgspec import Struct
from msgspec.structs import replace

from homeport.lib.glob import compile_glob
from homeport.mirror.model.config import UpstreamConfig
from homeport.mirror.model.names import Repository
from homeport.remote.errors import (
    BusyError,
    CrowdedError,
    NotFoundError,
    RemoteError,
    TimedOutError,
)
from homeport.remote.errors import UnreachableError as Unreachable

CLOCK_SLACK = 60.0
"""Seconds by which a stored time may lie ahead before the clock counts as set back."""

FIRST_PAUSE = 1.0
LONGEST_OUT_OF_REACH = 5.0
"""Seconds between looks at an upstream that is out of reach. Its breaker, which is below, answers
them without a connection; waiting longer here would only be added to what that waits."""

LONGEST_RETRY_AFTER = 900.0
MAX_TROUBLES = 10_000
MAX_WARNING = 400


def ttl_of(config: UpstreamConfig, repository: Repository, tag: str) -> float:
    """Seconds, by the first pattern over `repository:tag` that matches, else `tag_ttl`."""
    name = f"{repository.name}:{tag}"
    for rule in config.tag_ttls:
        if compile_glob(rule.pattern)(name):
            return rule.ttl
    return config.tag_ttl


def fresh_for(*, checked: float, ttl: float, now: float) -> float:
    """Seconds for which a tag that was checked at `checked` is still believed; may be negative.

    A check in the future says that the clock was set back: how old it is cannot be known.
    """
    if checked > now + CLOCK_SLACK:
        return -inf
    return min(checked, now) + ttl - now


def age(checked: float, now: float) -> int:
    """Age (RFC 9111, 5.1): whole seconds since the upstream confirmed the tag."""
    return max(0, int(now - checked))


def warning(text: str) -> str:
    """A Warning header of the distribution specification: `299 - "text"`, in safe ASCII."""
    safe = "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in text)
    return f'299 - "{safe[:MAX_WARNING]}"'


def moment(at: float) -> str:
    """A time for people; also one that is out of any range."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "an unknown time"


def describe(error: RemoteError) -> str:
    """A few words for a header or the audit: what the upstream did, without what it said."""
    if error.status is not None:
        return f"the upstream answered {error.status}"
    if isinstance(error, CrowdedError):
        return "too many requests wait for the upstream"
    if isinstance(error, TimedOutError):
        return "the upstream did not answer in time"
    if isinstance(error, Unreachable):
        return "the upstream cannot be reached"
    if isinstance(error, NotFoundError):
        return "the upstream no longer has it"
    return "the upstream failed"


def is_of_upstream(error: RemoteError) -> bool:
    """Whether a failure tells of the whole upstream, not only of what it was asked for."""
    return isinstance(error, TimedOutError | Unreachable | BusyError) and not isinstance(
        error, CrowdedError
    )


def without_frames(error: RemoteError) -> RemoteError:
    """A copy to keep: without the traceback, which would keep whole requests alive."""
    kept = type(error).__new__(type(error))
    kept.args = error.args
    kept.__dict__.update(error.__dict__)
    return kept


def longest_pause(error: RemoteError, config: UpstreamConfig) -> float:
    """Up to what the pauses after such a failure may double, in seconds."""
    if isinstance(error, TimedOutError | Unreachable):
        return min(config.breaker_seconds, LONGEST_OUT_OF_REACH)
    return config.breaker_seconds


class Trouble(Struct, frozen=True):
    """`retry_at` is when the next probe may begin (monotonic seconds)."""

    error: RemoteError
    pause: float
    retry_at: float


class Troubles:
    """Who failed lately, and when to ask again: keys are an upstream's name, or a tag.

    While a key is in trouble, what is held is served at once and one probe at a time looks whether
    it is over. Pauses double up to `longest`; Retry-After of a 429 is kept, within reason.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Trouble] = {}

    def of(self, key: Hashable) -> Trouble | None:
        return self._known.get(key)

    def worst(self, *keys: Hashable) -> Trouble | None:
        """The one among these that lasts longest."""
        found = [self._known[key] for key in keys if key in self._known]
        return max(found, key=lambda each: each.retry_at, default=None)

    def note(self, key: Hashable, error: RemoteError, *, now: float, longest: float) -> None:
        """A failure. Several that were under way together count as one."""
        before = self._known.pop(key, None)
        pause = FIRST_PAUSE
        if before is not None:
            pause = before.pause if now < before.retry_at else before.pause * 2
        pause = min(pause, max(longest, FIRST_PAUSE))
        wait = pause
        if isinstance(error, BusyError) and error.retry_after is not None:
            wait = max(pause, min(error.retry_after, LONGEST_RETRY_AFTER))
        retry_at = now + wait
        if before is not None:
            retry_at = max(retry_at, before.retry_at)
        self._keep(key, Trouble(error, pause, retry_at))

    def settle(self, key: Hashable, error: RemoteError, *, now: float, seconds: float) -> None:
        """An answer that needs no doubling: what it says holds for `seconds`."""
        self._known.pop(key, None)
        self._keep(key, Trouble(error, FIRST_PAUSE, now + seconds))

    def clear(self, key: Hashable) -> None:
        self._known.pop(key, None)

    def _keep(self, key: Hashable, trouble: Trouble) -> None:
        while len(self._known) >= MAX_TROUBLES:
            del self._known[next(iter(self._known))]
        self._known[key] = replace(trouble, error=without_frames(trouble.error))
