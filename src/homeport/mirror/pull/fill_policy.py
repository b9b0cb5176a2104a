"""What a fill works with, and within which bounds."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from homeport.mirror.bandwidth.api import Shaper
from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import Blobs, Metadata
from homeport.mirror.upstream.api import Upstream


class FillPolicy(Struct, frozen=True, kw_only=True):
    """Bytes and seconds.

    `withheld` bytes at the end of a blob are sent only after size and digest were found right.
    `ahead`: a range that begins so far beyond what is here is fetched by a request of its own.
    If that is not answered within `ahead_wait`, the client waits for the fill instead.
    `throughs` such requests may run at once, a client waits `through_wait` for its turn.
    `attempts` without `progress` bytes in between end a download, `cold_attempts` where nothing has
    come yet: the client can still be told why. `mismatches`: so often a fill begins anew after
    wrong bytes. `recent` bytes of a fill stay in memory for the clients that keep up, `recent_all`
    is the limit of all fills together; as much again is kept of what was read for clients that
    lag, and as much waits for the disk. `piece` is the most that is read at once for a client that
    does not, `share` the most of it that one client holds. `slice` is reserved where the size is
    unknown, `believed` at most for what only a manifest says of a size. `fills` may run at once.
    `batch` is what the store is given at once, and so the most that memory holds for a slow client.
    """

    withheld: int = 64 * 1024
    ahead: int = 8 * 1024**2
    ahead_wait: float = 5.0
    throughs: int = 8
    through_wait: float = 60.0
    attempts: int = 6
    cold_attempts: int = 2
    progress: int = 64 * 1024
    first_pause: float = 0.25
    longest_pause: float = 8.0
    longest_busy: float = 30.0
    mismatches: int = 3
    recent: int = 1024**2
    recent_all: int = 8 * 1024**2
    piece: int = 256 * 1024
    share: int = 64 * 1024
    batch: int = 256 * 1024
    slice: int = 64 * 1024**2
    believed: int = 64 * 1024**2
    largest: int = 64 * 1024**3
    lease: float = 60.0
    fills: int = 512


class FillCounts(Struct, kw_only=True):
    """Since the start, for metrics: `started`, `completed`, `failed` and `spilled` (no space) are
    fills, `joined` clients that found one running, `resumed` attempts after a cut, `mismatched`
    downloads with wrong bytes, `through` requests that bypassed the store, `received` bytes."""

    started: int = 0
    completed: int = 0
    failed: int = 0
    spilled: int = 0
    joined: int = 0
    resumed: int = 0
    mismatched: int = 0
    through: int = 0
    received: int = 0


class Origin(Struct, frozen=True, kw_only=True):
    """Where a blob may be fetched: a repository that was proven to show it. The upstream is looked
    up for each request anew: a reload of the settings may replace it in the middle of a fill."""

    repository: Repository
    upstream_of: Callable[[str], Upstream]

    @property
    def upstream(self) -> Upstream:
        """Raises RegistryError where it is configured no more."""
        return self.upstream_of(self.repository.upstream)


class Means(Struct, frozen=True, kw_only=True):
    """`owner` names this process in leases; it must be the same after a restart. `clock` is seconds
    since 1970."""

    blobs: Blobs
    metadata: Metadata
    shaper: Shaper
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    owner: str
    policy: FillPolicy
    counts: FillCounts
