"""Attempts to log in, counted per address and per user name; only wrong ones are used up."""

from collections import OrderedDict
from collections.abc import Hashable
from ipaddress import IPv6Address, ip_network

from homeport.mirror.policy.networks import parse_address

MAX_BUCKETS = 16_384


class Throttle:
    """A bucket of `per_minute` attempts for each address (an IPv6 /64) and each name, refilled
    evenly. Whoever logged in from an address before is not kept out by others who try his name from
    elsewhere. `per_minute` 0 counts nothing."""

    def __init__(self, per_minute: int) -> None:
        self._capacity = float(per_minute)
        self._rate = per_minute / 60.0
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def take(self, address: str, user: str, now: float) -> float:
        """Use up one attempt. 0 if it may be made, else the seconds until the next one may."""
        if not self._capacity:
            return 0.0
        keys = self._keys(address, user)
        levels = [self._level(key, now) for key in keys]
        if min(levels) < 1.0:
            return (1.0 - min(levels)) / self._rate
        for key, level in zip(keys, levels, strict=True):
            self._put(key, level - 1.0, now)
        return 0.0

    def give_back(self, address: str, user: str, now: float, *, proven: bool) -> None:
        """The attempt was right (`proven`), or was never judged."""
        if not self._capacity:
            return
        for key in self._keys(address, user):
            self._put(key, min(self._capacity, self._level(key, now) + 1.0), now)
        if proven:
            pair = (place(address), user)
            self._known[pair] = None
            self._known.move_to_end(pair)
            if len(self._known) > MAX_BUCKETS:
                self._known.popitem(last=False)

    def _keys(self, address: str, user: str) -> list[Hashable]:
        where = place(address)
        keys: list[Hashable] = [("address", where)]
        if (where, user) not in self._known:
            keys.append(("user", user))
        return keys

    def _level(self, key: Hashable, now: float) -> float:
        level, at = self._buckets.get(key, (self._capacity, now))
        return min(self._capacity, level + max(0.0, now - at) * self._rate)

    def _put(self, key: Hashable, level: float, now: float) -> None:
        self._buckets[key] = (level, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)


def place(address: str) -> str:
    """What one party holds: an IPv4 address, an IPv6 /64."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed) >> 64 << 64, 64)))
    return address if parsed is None else str(parsed)
