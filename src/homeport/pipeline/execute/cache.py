"""The caches of one attempt of a job: what is restored before its scripts, and kept after them.

Order, policies and words are GitLab Runner's (shells/abstract.go): caches come before artifacts, in
their order; they are kept after after_script, before artifacts are. A cache that fails is a
warning, never a failed job.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from homeport.errors import HomeportError
from homeport.lib.units import format_bytes
from homeport.pipeline.execute.api import ExecutorError, Selection, Session
from homeport.pipeline.execute.artifacts import missing_words
from homeport.pipeline.execute.cache_key import (
    KeySources,
    compose_key,
    folder_name,
    sanitize,
    with_suffix,
)
from homeport.pipeline.execute.cache_store import (
    BrokenCacheError,
    CacheStore,
    Lease,
    TooLargeError,
)
from homeport.pipeline.execute.stored_tree import StoredTree
from homeport.pipeline.model.config import Cache

Note = Callable[[str], None]

_PULLS = ("pull", "pull-push", "")
_PUSHES = ("push", "pull-push", "")


class _Place(Struct, frozen=True, kw_only=True):
    """One cache with everything expanded; `others` are the keys to fall back to."""

    key: str
    others: tuple[str, ...]
    selection: Selection
    policy: str
    when: str


class JobCaches:
    """`restored` first, `save` in the end. `expand` expands as the Runner does, `env` are the job's
    variables, `secrets` may not stand in names of folders; `note` and `warn` tell the user."""

    def __init__(
        self,
        caches: Sequence[Cache],
        store: CacheStore,
        sources: KeySources,
        *,
        expand: Callable[[str], str],
        env: Mapping[str, str],
        secrets: frozenset[str],
        note: Note,
        warn: Note,
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._note = note
        self._expand = expand
        self._env = env
        self._warn = warn
        self._protected = env.get("CI_COMMIT_REF_PROTECTED") == "true"
        found = (self._place(cache, index, sources) for index, cache in enumerate(caches))
        self._places = tuple(place for place in found if place is not None)

    @contextmanager
    def restored(self) -> Iterator[tuple[Path, ...]]:
        """The trees to lay over the snapshot, in order; they stay as they are in the meantime.

        Raises `ExecutorError` for an unknown policy, with which the Runner fails the job, too.
        """
        leases: list[Lease] = []
        try:
            for place in self._places:
                if place.policy not in _PULLS:
                    if place.policy not in _PUSHES:
                        raise ExecutorError(f"unknown cache policy {place.policy} for {place.key}")
                    self._note(f"Not downloading cache {place.key} due to policy")
                    continue
                lease = self._first((place.key, *place.others))
                if lease is not None:
                    leases.append(lease)
            yield tuple(lease.tree for lease in leases)
        finally:
            for lease in leases:
                lease.close()

    def save(self, session: Session, *, success: bool) -> None:
        """Keep what is due after a job that ended so."""
        for place in self._places:
            if place.when != "always" and success != (place.when == "on_success"):
                continue
            if place.policy not in _PUSHES:
                self._note(f"Not uploading cache {place.key} due to policy")
                continue
            self._note(f"Creating cache {place.key}...")
            self._keep(place, session)

    def _first(self, keys: Sequence[str]) -> Lease | None:
        """The first cache of these keys that is there and whole."""
        for key in keys:
            self._note(f"Checking cache for {key}...")
            try:
                lease = self._store.find(folder_name(key, self._secrets))
            except (BrokenCacheError, OSError) as error:
                self._warn(f"WARNING: Failed to extract cache: {_words(error)}")
                continue
            if lease is None:
                self._note("No cache is there yet")
                continue
            self._note(f"Extracting cache ({_amount(lease.info.entries, lease.info.size)})")
            return lease
        return None

    def _keep(self, place: _Place, session: Session) -> None:
        def fill(tree: StoredTree) -> None:
            for pattern in session.collect(place.selection, tree):
                self._warn(f"WARNING: {missing_words(pattern, session.project_dir)}")

        try:
            info = self._store.keep(folder_name(place.key, self._secrets), fill)
        except TooLargeError as error:
            size = format_bytes(int(str(error)))
            self._warn(f"WARNING: Failed to create cache: {size} are more than keep_cache_size")
        except (BrokenCacheError, ExecutorError, OSError) as error:
            self._warn(f"WARNING: Failed to create cache: {_words(error)}")
        else:
            if info is None:
                self._note("No files to cache")
            else:
                self._note(f"Created cache ({_amount(info.entries, info.size)})")

    def _place(self, cache: Cache, index: int, sources: KeySources) -> _Place | None:
        if not cache.paths and not cache.untracked:
            return None
        try:
            written = compose_key(cache, index, sources, protected=self._protected)
        except (HomeportError, OSError) as error:
            self._warn(f"WARNING: Skipping a cache whose key cannot be made: {_words(error)}")
            return None
        key = self._clean(self._expand(written))
        if not key:
            self._note("Skipping cache due to empty cache key")
            return None
        return _Place(
            key=key,
            others=tuple(self._fallbacks(cache)),
            selection=Selection(
                paths=tuple(self._expand(path) for path in cache.paths),
                untracked=cache.untracked,
            ),
            policy=self._expand(cache.policy),
            when=cache.when,
        )

    def _fallbacks(self, cache: Cache) -> Iterator[str]:
        for written in cache.fallback_keys:
            key = with_suffix(written, cache, protected=self._protected)
            if clean := self._clean(self._expand(key)):
                yield clean
        last = self._clean(self._env.get("CACHE_FALLBACK_KEY", ""))
        if last.endswith("-protected"):
            # Else a job of any branch could read what protected ones keep.
            self._warn(f'WARNING: CACHE_FALLBACK_KEY "{last}" not allowed to end in "-protected"')
        elif last:
            yield last

    def _clean(self, key: str) -> str:
        clean = sanitize(key)
        if clean != key:
            outcome = f'sanitized to "{clean}"' if clean else "could not be sanitized"
            self._warn(f'WARNING: cache key "{key}" {outcome}')
        return clean


def _amount(entries: int, size: int) -> str:
    return f"{entries} {'entry' if entries == 1 else 'entries'}, {format_bytes(size)}"


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'the cache'}: {error.strerror}"
    return str(error)
