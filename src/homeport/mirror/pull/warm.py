"""Manifests in memory, with everything an answer needs, exactly as long as they are true.

A page is one manifest of one repository; marks are the references under which it is found: its
digest for good, tags until they are stale. Whatever the store reports as changed is dropped at
once, and what was being read meanwhile is not kept.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from homeport.mirror.model.names import Repository
from homeport.mirror.model.record import Cache, Outcome
from homeport.mirror.pull.manifests_reply import manifest_headers
from homeport.mirror.store.api import Change, Kind
from homeport.oci.digest import Digest
from homeport.oci.manifest import Manifest

LARGEST = 1024**2
PAGE_COST = 1536
"""Bytes that a page costs beside its content: headers, keys, marks."""

MARK_COST = 384
MAX_NAMESPACES = 4


class Page:
    """One manifest. `hold_until` is until when the store keeps its blobs from the sweep (monotonic
    seconds), `used` says that this was served since the last flush."""

    __slots__ = (
        "_named",
        "content",
        "digest",
        "headers",
        "hit",
        "hold_until",
        "media_type",
        "references",
        "repository",
        "touched",
        "used",
    )

    def __init__(self, repository: Repository, manifest: Manifest) -> None:
        self.repository = repository
        self.digest: Digest = manifest.digest
        self.media_type = manifest.media_type
        self.content = manifest.content
        self.headers = manifest_headers(self.digest, self.media_type, len(self.content))
        self.hit = self.outcome(Cache.HIT)
        self.hold_until = -inf
        self.references: set[str] = set()
        self.touched = False
        self.used = False
        self._named: dict[str, dict[str, str]] = {}

    def outcome(
        self,
        cache: Cache,
        *,
        source: str | None = None,
        status: int | None = None,
        detail: str | None = None,
    ) -> Outcome:
        return Outcome(
            cache=cache,
            digest=self.digest,
            media_type=self.media_type,
            size=len(self.content),
            upstream_url=source,
            upstream_status=status,
            detail=detail,
        )

    def headers_for(self, namespace: str | None) -> dict[str, str]:
        """The same mapping each time; nobody may change it."""
        if namespace is None:
            return self.headers
        found = self._named.get(namespace)
        if found is None:
            found = {**self.headers, "OCI-Namespace": namespace}
            if len(self._named) < MAX_NAMESPACES:
                self._named[namespace] = found
        return found


class Mark:
    """A reference to a page: `fresh_until` is monotonic seconds (infinite for a digest), `checked`
    and `gone` are the store's times."""

    __slots__ = ("checked", "fresh_until", "gone", "page")

    def __init__(
        self, page: Page, *, fresh_until: float, checked: float = 0.0, gone: float | None = None
    ) -> None:
        self.page = page
        self.fresh_until = fresh_until
        self.checked = checked
        self.gone = gone


class Watch:
    """Whether anything of a repository changed since the watch began."""

    __slots__ = ("dirty",)

    def __init__(self) -> None:
        self.dirty = False


class Warm:
    """At most `budget` bytes of pages; those not touched since the last round go first."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._size = 0
        self._pages: OrderedDict[tuple[Repository, str], Page] = OrderedDict()
        self._marks: dict[tuple[Repository, str], Mark] = {}
        self._watches: dict[Repository, set[Watch]] = {}

    @property
    def size(self) -> int:
        """Bytes, as the budget counts them."""
        return self._size

    def fresh(self, repository: Repository, reference: str, now: float) -> Page | None:
        """The page, where no one need be asked."""
        mark = self._marks.get((repository, reference))
        if mark is None or mark.fresh_until <= now:
            return None
        page = mark.page
        page.touched = True
        return page

    def mark(self, repository: Repository, reference: str) -> Mark | None:
        """What is known of a reference, however old."""
        mark = self._marks.get((repository, reference))
        if mark is not None:
            mark.page.touched = True
        return mark

    def page(self, repository: Repository, digest: str) -> Page | None:
        return self._pages.get((repository, digest))

    @contextmanager
    def watch(self, repository: Repository) -> Iterator[Watch]:
        """Read the store inside, and give the watch to `keep`."""
        watch = Watch()
        self._watches.setdefault(repository, set()).add(watch)
        try:
            yield watch
        finally:
            watches = self._watches[repository]
            watches.discard(watch)
            if not watches:
                del self._watches[repository]

    def keep(self, watch: Watch, reference: str, mark: Mark) -> bool:
        """Remember, unless something changed while it was read, or it is too large."""
        page = mark.page
        if watch.dirty or len(page.content) > min(LARGEST, self._budget):
            return False
        repository = page.repository
        if (old := self._pages.get((repository, page.digest))) is not page:
            if old is not None:
                self._drop(old)
            self._pages[(repository, page.digest)] = page
            self._size += len(page.content) + PAGE_COST
        self._point(reference, mark)
        self._shrink(keep=page)
        return True

    def _point(self, reference: str, mark: Mark) -> None:
        key = (mark.page.repository, reference)
        self._unmark(key)
        self._marks[key] = mark
        mark.page.references.add(reference)
        self._size += MARK_COST

    def _unmark(self, key: tuple[Repository, str]) -> None:
        mark = self._marks.pop(key, None)
        if mark is not None:
            mark.page.references.discard(key[1])
            self._size -= MARK_COST

    def _drop(self, page: Page) -> None:
        key = (page.repository, page.digest)
        if self._pages.get(key) is not page:
            return
        del self._pages[key]
        self._size -= len(page.content) + PAGE_COST
        for reference in tuple(page.references):
            self._unmark((page.repository, reference))

    def _shrink(self, keep: Page) -> None:
        """The clock algorithm: a touched page has a second chance."""
        rounds = 2 * len(self._pages)
        while self._size > self._budget and rounds:
            rounds -= 1
            key, page = next(iter(self._pages.items()))
            if page is keep or page.touched:
                page.touched = False
                self._pages.move_to_end(key)
            else:
                self._drop(page)
        if self._size > self._budget:
            self._drop(keep)

    def changed(self, change: Change) -> None:
        """What the store said is dropped before its call returns."""
        if change.kind not in (Kind.TAG, Kind.MANIFEST):
            return
        repository = change.repository
        for watch in self._watches.get(repository, ()):
            watch.dirty = True
        if change.kind is Kind.TAG:
            self._unmark((repository, change.key))
        elif (page := self._pages.get((repository, change.key))) is not None:
            self._drop(page)

    def forget(self, repository: Repository, reference: str) -> None:
        """A reference whose freshness the store knows better by now."""
        self._unmark((repository, reference))

    def clear(self) -> None:
        """Forget everything: settings have changed."""
        for watches in self._watches.values():
            for watch in watches:
                watch.dirty = True
        self._pages.clear()
        self._marks.clear()
        self._size = 0
