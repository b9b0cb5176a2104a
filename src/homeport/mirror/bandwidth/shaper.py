"""The buckets that the settings ask for, and the way of a transfer's bytes through them."""

import asyncio
import time
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from zoneinfo import ZoneInfo

from homeport.mirror.bandwidth.bucket import QUANTUM, Bucket
from homeport.mirror.bandwidth.rate import Rate
from homeport.mirror.model.config import MirrorConfig

_Network = IPv4Network | IPv6Network


class BucketFlow:
    """Bytes pass the buckets in order, the narrowest first."""

    def __init__(self, owner: str, buckets: tuple[Bucket, ...]) -> None:
        self._owner = owner
        self._buckets = buckets

    async def take(self, size: int) -> None:
        while size > 0:
            turn = min(size, QUANTUM)
            passed: list[Bucket] = []
            try:
                for bucket in self._buckets:
                    await bucket.take(self._owner, turn)
                    passed.append(bucket)
            except asyncio.CancelledError:
                for bucket in passed:
                    bucket.give_back(turn)
                raise
            size -= turn

    def close(self) -> None:
        """Nothing is held between two turns."""


class BucketShaper:
    """`mirror/bandwidth/api.Shaper`. `replace` changes rates under running transfers; a bucket that
    the new settings lack lets everything pass."""

    def __init__(
        self,
        config: MirrorConfig,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._total = self._bucket(Rate())
        self._upstreams: dict[str, Bucket] = {}
        self._networks: dict[_Network, Bucket] = {}
        self._shape_hits = False
        self.replace(config)

    def replace(self, config: MirrorConfig) -> None:
        bandwidth = config.bandwidth
        zone = ZoneInfo(bandwidth.time_zone)
        self._shape_hits = bandwidth.shape_hits
        self._total.replace(Rate(base=bandwidth.total, windows=bandwidth.windows, zone=zone))
        for name, bucket in self._upstreams.items():
            if name not in config.upstreams:
                bucket.replace(Rate())
        for name, upstream in config.upstreams.items():
            self._upstreams.setdefault(name, self._bucket(Rate())).replace(
                Rate(base=upstream.bandwidth)
            )
        wanted: dict[_Network, int] = {
            ip_network(entry.network): entry.rate for entry in bandwidth.networks
        }
        for network in {*wanted, *self._networks}:
            self._networks.setdefault(network, self._bucket(Rate())).replace(
                Rate(base=wanted.get(network))
            )

    def download(self, upstream: str, owner: str = "") -> BucketFlow | None:
        own = self._upstreams.get(upstream)
        return self._flow(owner, own, self._total)

    def delivery(self, address: str, upstream: str, *, hit: bool) -> BucketFlow | None:  # noqa: ARG002
        if hit and not self._shape_hits:
            return None
        return self._flow(address, self._network_of(address), self._total if hit else None)

    def _flow(self, owner: str, *buckets: Bucket | None) -> BucketFlow | None:
        limiting = tuple(bucket for bucket in buckets if bucket is not None and bucket.rate.limits)
        return BucketFlow(owner, limiting) if limiting else None

    def _network_of(self, address: str) -> Bucket | None:
        """The bucket of the narrowest network that holds the address."""
        if not self._networks:
            return None
        try:
            parsed = ip_address(address)
        except ValueError:
            return None  # a Unix socket has no address
        mapped = getattr(parsed, "ipv4_mapped", None)
        holding = [
            network
            for network, bucket in self._networks.items()
            if bucket.rate.limits and (mapped or parsed) in network
        ]
        if not holding:
            return None
        return self._networks[max(holding, key=lambda network: network.prefixlen)]

    def _bucket(self, rate: Rate) -> Bucket:
        return Bucket(rate, wall=self._wall, monotonic=self._monotonic)
