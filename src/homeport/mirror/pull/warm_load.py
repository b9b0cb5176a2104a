"""From the store into memory: what a repository holds, ready to be answered and kept from the
sweep."""

from collections.abc import Callable
from math import inf

from homeport.mirror.model.config import UpstreamConfig
from homeport.mirror.model.names import Repository
from homeport.mirror.pull.freshness import fresh_for, ttl_of
from homeport.mirror.pull.warm import Mark, Page, Warm
from homeport.mirror.pull.warm_use import Uses
from homeport.mirror.store.api import Metadata, TagRow
from homeport.oci.digest import Digest

ATTEMPTS = 3


class Holdings:
    """What is held. A change while something is read makes it be read again."""

    def __init__(
        self,
        *,
        warm: Warm,
        uses: Uses,
        metadata: Metadata,
        config_of: Callable[[str], UpstreamConfig],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._warm = warm
        self._uses = uses
        self._metadata = metadata
        self._config_of = config_of
        self._clock = clock
        self._monotonic = monotonic

    async def by_digest(self, repository: Repository, digest: Digest) -> Page | None:
        """The manifest, if this repository links it."""
        page: Page | None = None
        for _ in range(ATTEMPTS):
            with self._warm.watch(repository) as watch:
                page = await self._page(repository, digest)
                if page is None:
                    return None
                if not watch.dirty:
                    self._warm.keep(watch, digest, Mark(page, fresh_until=inf))
                    return page
        return page

    async def by_tag(self, repository: Repository, tag: str) -> Mark | None:
        """What the tag points to, fresh or not."""
        mark = self._warm.mark(repository, tag)
        if mark is not None and self._uses.is_promised(mark.page, self._monotonic()):
            return mark
        for _ in range(ATTEMPTS):
            with self._warm.watch(repository) as watch:
                row = await self._metadata.tag(repository, tag)
                page = None if row is None else await self._page(repository, row.digest)
                if row is None or page is None:
                    return None
                mark = self._mark(repository, page, row)
                if not watch.dirty:
                    self._warm.keep(watch, page.digest, Mark(page, fresh_until=inf))
                    self._warm.keep(watch, tag, mark)
                    return mark
        return mark

    async def _page(self, repository: Repository, digest: Digest) -> Page | None:
        page = self._warm.page(repository, digest)
        if page is None:
            manifest = await self._metadata.manifest(repository, digest)
            if manifest is None:
                return None
            page = Page(repository, manifest)
        if not self._uses.is_promised(page, self._monotonic()):
            page.hold_until = await self._uses.hold(digest)
        return page

    def _mark(self, repository: Repository, page: Page, row: TagRow) -> Mark:
        if repository.is_local:
            return Mark(page, fresh_until=inf, checked=row.checked)
        left = -inf
        if row.gone is None:
            ttl = ttl_of(self._config_of(repository.upstream), repository, row.name)
            left = fresh_for(checked=row.checked, ttl=ttl, now=self._clock())
        return Mark(page, fresh_until=self._monotonic() + left, checked=row.checked, gone=row.gone)
