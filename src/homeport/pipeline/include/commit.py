"""The files of one commit of another project: from the lock, the cache, or its server."""

from collections.abc import Callable

from homeport.pipeline.include.api import Locked, ProjectReader
from homeport.pipeline.include.store import Store, digest_of

LISTING = "*"
"""In place of a path: the list of all paths."""


class CommitFiles:
    """A `FileSource`. `kind`, `source` and `ref` are how the lock names the project; `reader` is
    asked through `reach` for what nothing here knows."""

    def __init__(
        self,
        store: Store,
        reader: Callable[[], ProjectReader],
        reach: Callable[[Callable[[], bytes | None]], bytes | None],
        *,
        kind: str,
        source: str,
        ref: str,
        commit: str,
        tag: str = "",
    ) -> None:
        self._store = store
        self._reader = reader
        self._reach = reach
        self._kind = kind
        self._source = source
        self._ref = ref
        self.commit = commit
        self.tag = tag

    def read(self, path: str) -> bytes | None:
        return self._get(path, lambda: self._reader().read(self.commit, path))

    def paths(self) -> tuple[str, ...]:
        found = self._get(LISTING, lambda: "\0".join(self._reader().paths(self.commit)).encode())
        return tuple((found or b"").decode().split("\0")) if found else ()

    def _get(self, path: str, ask: Callable[[], bytes | None]) -> bytes | None:
        store = self._store
        index = ("file", self._source, self.commit, path)
        key = (self._kind, self._source, self._ref, path)
        content = store.locked_content(key, *index)
        if content is None:
            entry = store.cache.entry(*index)
            content = store.cache.content(entry.sha256) if entry and entry.sha256 else None
        if content is None:
            store.refuse_offline()
            content = self._reach(ask)
            if content is None:
                return None
            store.keep(content, *index)
        entry_used = Locked(
            kind=self._kind,
            source=self._source,
            ref=self._ref,
            file=path,
            commit=self.commit,
            tag=self.tag,
            sha256=digest_of(content),
        )
        return store.use(entry_used, content)
