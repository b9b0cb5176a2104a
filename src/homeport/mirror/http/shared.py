"""What all connections of a server share."""

import itertools
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from homeport.mirror.http.api import Handler
from homeport.mirror.http.origin import TrustedProxies
from homeport.mirror.http.sendfile import SendPool
from homeport.mirror.model.config import LimitsConfig

if TYPE_CHECKING:
    from homeport.mirror.http.connection import Connection


class Counters:
    """Of the HTTP side, since the start; read by metrics."""

    __slots__ = ("connections", "cut", "defects", "refused", "requests", "timed_out")

    def __init__(self) -> None:
        self.connections = 0
        self.requests = 0
        self.refused = 0
        """Connections beyond the limit of their address, and requests that were no HTTP."""
        self.timed_out = 0
        self.cut = 0
        """Answers that were begun and not completed."""
        self.defects = 0


class Shared:
    """`clock` is monotonic seconds. `limits` and `proxies` may be swapped while running."""

    def __init__(
        self,
        *,
        handler: Handler,
        limits: LimitsConfig,
        trusted_proxies: Iterable[str],
        clock: Callable[[], float],
        pool: SendPool,
    ) -> None:
        self.handler = handler
        self.limits = limits
        self.proxies = TrustedProxies(trusted_proxies)
        self.clock = clock
        self.pool = pool
        self.counters = Counters()
        self.connections: set[Connection] = set()
        self.draining = False
        self._per_address: dict[str, int] = {}
        self._ids = itertools.count(1)
        self._prefix = os.urandom(6).hex()

    def next_id(self) -> str:
        """A request's id: unique, and no secret."""
        return f"{self._prefix}-{next(self._ids):x}"

    def admit(self, address: str) -> bool:
        """Count a connection; False, uncounted, beyond the limit of its address. Trusted proxies
        bring many clients, and are not limited."""
        count = self._per_address.get(address, 0)
        if count >= self.limits.connections_per_address and not self.proxies.trusts(address):
            return False
        self._per_address[address] = count + 1
        return True

    def release(self, address: str) -> None:
        count = self._per_address.get(address, 0) - 1
        if count > 0:
            self._per_address[address] = count
        else:
            self._per_address.pop(address, None)

    def sweep(self) -> None:
        """Act on every deadline that has passed. One sweep now and then costs less than a timer per
        request."""
        now = self.clock()
        for connection in tuple(self.connections):
            if connection.deadline <= now:
                connection.expire()
