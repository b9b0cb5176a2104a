"""Credentials that were proven lately, so that the next request with them need not wait."""

import hashlib
import os

from msgspec import Struct

from homeport.mirror.auth.identity import Identity
from homeport.mirror.model.principal import Principal

MAX_ENTRIES = 16_384


class Verified(Struct, frozen=True):
    """`identity` is None for our own bearer tokens: they prove nothing further. `until` is when
    to prove it again (seconds since 1970)."""

    principal: Principal
    identity: Identity | None
    until: float


class VerifiedCache:
    """Keyed by a MAC of the whole Authorization header, whose key lives as long as the process: a
    memory dump holds no password, and equal keys mean equal headers. What was proven before
    `forget_all` cannot come in afterwards: `put` is told the `epoch` in which the proof began."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._entries: dict[bytes, Verified] = {}
        self.epoch = 0

    def key(self, text: str) -> bytes:
        data = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._key, digest_size=16).digest()

    def get(self, key: bytes, now: float) -> Verified | None:
        found = self._entries.get(key)
        if found is None:
            return None
        if now >= found.until:
            del self._entries[key]
            return None
        return found

    def put(self, key: bytes, entry: Verified, *, epoch: int) -> None:
        if epoch != self.epoch:
            return
        if len(self._entries) >= MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = entry

    def forget_all(self) -> None:
        self._entries.clear()
        self.epoch += 1

    def __len__(self) -> int:
        return len(self._entries)
