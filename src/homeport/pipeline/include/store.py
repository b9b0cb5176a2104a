"""What the lock and the cache know, and what is used: shared by all kinds of includes."""

import threading
from collections.abc import Mapping
from hashlib import sha256

from homeport.pipeline.include.api import Key, Locked, UnreachedError
from homeport.pipeline.include.cache import IncludeCache
from homeport.pipeline.include.location import LocationError
from homeport.pipeline.include.lock import LOCK_FILE

OFFLINE = "it is not in the cache, and nothing is fetched (--offline)"


class Store:
    """`locked` is the content of the lock file, `used` becomes that of a new one.

    `offline` forbids every fetch. `secrets` are values that may stand in no file: an include whose
    address holds one is not written down.
    """

    def __init__(
        self,
        cache: IncludeCache,
        *,
        locked: Mapping[Key, Locked],
        used: dict[Key, Locked],
        offline: bool,
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        self.cache = cache
        self.locked = locked
        self.offline = offline
        self.used = used
        self._secrets = secrets
        self._lock = threading.Lock()
        self._commits = {
            (entry.kind, entry.source, entry.ref): entry
            for entry in locked.values()
            if entry.commit
        }

    def locked_commit(self, kind: str, source: str, ref: str) -> Locked | None:
        """Any entry that tells which commit a ref is."""
        return self._commits.get((kind, source, ref))

    def locked_content(self, key: Key, *index: str) -> bytes | None:
        """The content that the lock names, if the cache got it from this very source."""
        entry = self.locked.get(key)
        if entry is None or self.cache.entry(*index, entry.sha256) is None:
            return None
        return self.cache.content(entry.sha256)

    def keep(self, content: bytes, *index: str) -> None:
        """Put what a source has given into the cache, by its key."""
        digest = self.cache.keep(content)
        self.cache.note(*index, digest=digest)
        self.cache.note(*index, digest, digest=digest)

    def use(self, entry: Locked, content: bytes) -> bytes:
        """Note what is used. Raises `LocationError` if it is not what the lock says."""
        digest = sha256(content).hexdigest()
        wanted = self.locked.get(entry.key)
        if wanted is not None and wanted.sha256 != digest:
            raise LocationError(
                f"{entry.title} is not what {LOCK_FILE} says: its sha256 is {digest}, locked is "
                f"{wanted.sha256}; homeport update locks what it is now"
            )
        texts = (entry.source, entry.ref, entry.file)
        if not any(secret in text for secret in self._secrets for text in texts):
            with self._lock:
                self.used[entry.key] = entry
        return content

    def refuse_offline(self) -> None:
        if self.offline:
            raise UnreachedError(OFFLINE)


def digest_of(content: bytes) -> str:
    return sha256(content).hexdigest()
