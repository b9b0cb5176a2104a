"""Shaping as `pull` sees it."""

from typing import Protocol


class Flow(Protocol):
    """One transfer. `take` returns when the bytes may pass; cancelling it gives them back."""

    async def take(self, size: int) -> None: ...

    def close(self) -> None: ...


class Shaper(Protocol):
    """`download` is the mirror fetching from an upstream (global and per-upstream buckets) for
    `owner`, the address of the client that began it; `delivery` is a client being served (global
    and per-network buckets, fair among addresses). Bytes that pass through both count once in the
    global bucket, on the download; `hit` says that they come from the store, which is unshaped
    unless `shape_hits`. Both return None where nothing limits, so that the fast path costs nothing.
    """

    def download(self, upstream: str, owner: str = "") -> Flow | None: ...

    def delivery(self, address: str, upstream: str, *, hit: bool) -> Flow | None: ...
