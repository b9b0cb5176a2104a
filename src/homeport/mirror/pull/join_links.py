"""Which repository shows which blob, in memory, exactly as long as it is true."""

from collections import OrderedDict

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import Change, Kind, Metadata
from homeport.oci.digest import Digest

_Key = tuple[Repository, Digest]


class Links:
    """`Metadata.blob`, remembered. What is not linked is never remembered: it may be at any time.

    The store reports a change before the call that changes returns; an answer that was under way
    meanwhile is not kept.
    """

    def __init__(self, metadata: Metadata, *, limit: int) -> None:
        self._metadata = metadata
        self._limit = limit
        self._sizes: OrderedDict[_Key, int] = OrderedDict()
        self._changes = 0
        metadata.subscribe(self._changed)

    def held(self, repository: Repository, digest: Digest) -> int | None:
        """From memory alone."""
        return self._sizes.get((repository, digest))

    async def size(self, repository: Repository, digest: Digest) -> int | None:
        """The size, None where the repository does not show the blob."""
        key = (repository, digest)
        size = self._sizes.get(key)
        if size is not None:
            return size
        before = self._changes
        size = await self._metadata.blob(repository, digest)
        if size is not None and before == self._changes:
            self._sizes[key] = size
            if len(self._sizes) > self._limit:
                self._sizes.popitem(last=False)
        return size

    def _changed(self, change: Change) -> None:
        if change.kind is Kind.BLOB:
            self._changes += 1
            self._sizes.pop((change.repository, Digest(change.key)), None)

    def __len__(self) -> int:
        return len(self._sizes)
