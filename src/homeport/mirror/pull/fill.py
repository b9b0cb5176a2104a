"""The fill of one blob: from its upstreams into the store, once, whoever reads meanwhile.

docs/explanation/fill.md shows its states.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from homeport.mirror.errors import CutError, DigestMismatchError, NoSpaceError
from homeport.mirror.pull.fill_appender import Appender
from homeport.mirror.pull.fill_content import Content, State
from homeport.mirror.pull.fill_download import BeyondError, Download
from homeport.mirror.pull.fill_policy import Means, Origin
from homeport.mirror.store.api import Hold, Reservation, Staged, StoreError
from homeport.oci.digest import Digest, algorithm_of
from homeport.remote.errors import FailedError, RemoteError

_LOG = logging.getLogger(__name__)


def staging_key(digest: Digest) -> str:
    return f"fill-{digest}"


class Fill:
    """One download. Its life does not depend on any client's: `run` goes on when all have left.

    `origins` are the repositories that were proven to show the blob, the first one's first; more
    may be added while it runs. `content` is the attempt that is under way; after wrong bytes it is
    replaced. `avoid` are sources that gave wrong bytes. `seats` counts who may still read.
    """

    def __init__(
        self,
        digest: Digest,
        origin: Origin,
        *,
        hint: int | None,
        address: str,
        means: Means,
        recent_limit: Callable[[], int],
    ) -> None:
        self.digest = digest
        self.origins = [origin]
        self.hint = hint
        self._address = address
        self.seats = 0
        self.ended = asyncio.Event()
        self._over = False
        self.download: Download | None = None
        self._means = means
        self._recent_limit = recent_limit
        self.avoid: frozenset[str] = frozenset()
        self._doubted = False
        self.content = self._new_content()

    def add_origin(self, origin: Origin) -> None:
        if all(each.repository != origin.repository for each in self.origins):
            self.origins.append(origin)

    async def opened(self, origin: Origin) -> Content:
        """The content once something is known of it: its state is not WAITING. Raises RemoteError
        where the upstream has failed (with the origin's own error, if there is one)."""
        while True:
            content = self.content
            state = await content.opened()
            if state is not State.CUT:
                return content
            if content is not self.content:
                continue  # wrong bytes before the first client saw one: the next attempt
            own = None if self.download is None else self.download.errors.get(origin.repository)
            error = own or content.error
            raise error if isinstance(error, RemoteError) else FailedError(str(error))

    async def leave(self) -> None:
        """A client reads no more."""
        self.seats -= 1
        await self._close_when_unused()

    async def run(self) -> None:
        """Never raises but CancelledError, after which the partial is kept for the next start."""
        counts = self._means.counts
        counts.started += 1
        try:
            async with self._lease() as mine:
                if not mine:
                    self.content.spill()  # another replica stores it
                    self.content.released.set()
                elif await self._means.blobs.stat(self.digest) is not None:
                    self.content.present()
                else:
                    await self._attempts()
        except StoreError as error:
            _LOG.error("the store fails, %s goes through: %s", self.digest, error)
            await self._spill(None)
        except Exception as error:  # noqa: BLE001 - clients wait for this task's word
            if not isinstance(error, RemoteError):
                _LOG.exception("the fill of %s broke", self.digest)
            counts.failed += 1
            self.content.cut(error)

    def stop(self) -> None:
        """It runs no longer, or never began."""
        self.ended.set()
        if self.content.state in (State.WAITING, State.OPEN):
            self.content.cut(CutError("the mirror is stopping"))

    async def retire(self) -> None:
        """Nobody can join any more."""
        self._over = True
        await self._close_when_unused()

    async def _attempts(self) -> None:
        for attempt in range(self._means.policy.mismatches):
            staged = await self._means.blobs.stage(
                staging_key(self.digest), algorithm=algorithm_of(self.digest), fresh=attempt > 0
            )
            self.content.begin(staged)
            download = self._new_download(staged.size)
            began_empty = staged.size == 0
            try:
                await self._attempt(staged, download)
                return
            except DigestMismatchError as error:
                sources = frozenset(download.sources)
                # Of an unknown size, the end may have been a cut that nobody noticed.
                complete = download.size is not None or self.hint is not None
                sure = began_empty and complete and len(sources) == 1
                await self._reject(staged, error, sources, sure=sure)
            except (NoSpaceError, StoreError) as error:
                _LOG.warning("no space for %s, it goes through: %s", self.digest, error)
                await self._spill(staged)
                return
            except BaseException as error:
                self.content.cut(
                    error if isinstance(error, Exception) else CutError("the mirror is stopping")
                )
                await self._keep(staged)
                raise
        raise FailedError(f"no source has the right bytes for {self.digest}")

    def _new_download(self, start: int) -> Download:
        self.download = Download(
            self.digest,
            self.origins,
            self._means,
            start=start,
            hint=self.hint,
            avoid=self.avoid,
            owner=self.digest,
            address=self._address,
        )
        return self.download

    async def _attempt(self, staged: Staged, download: Download) -> None:
        try:
            if staged.size == 0 or staged.size != self.hint:
                try:
                    await self._receive(download, staged)
                except BeyondError:
                    _LOG.info("%s is all here, says the upstream", self.digest)
            if self.content.state is State.WAITING:
                self.content.open(staged.size, None)
            await staged.commit(self.digest, durable=False)
        finally:
            await download.close()
        await self._link(staged.size)
        self.content.finish()
        self._means.counts.completed += 1

    async def _reserve(self, size: int | None, staged: Staged) -> Reservation:
        missing = self._means.policy.slice if size is None else max(0, size - staged.size)
        return await self._means.blobs.reserve(missing, key=staged.key)

    async def _receive(self, download: Download, staged: Staged) -> None:
        """Space is reserved first; before the upstream is asked, if the size is known by then.

        A reservation evicts others. A manifest may say any size of a blob, so that it is believed
        up to a bound until the upstream says so, too.
        """
        first = self.hint
        if first is not None:
            first = min(first, staged.size + self._means.policy.believed)
        reservation = await self._reserve(first, staged)
        try:
            await download.open()
            size = self.hint if download.size is None else download.size
            if size != first:
                reservation.release()
                reservation = await self._reserve(size, staged)
            self.content.open(size, download.source)
            await self._append(download, staged)
        finally:
            reservation.release()

    async def _append(self, download: Download, staged: Staged) -> None:
        policy = self._means.policy
        appender = Appender(
            staged, self.content.grown, batch=policy.batch, most_pending=self._recent_limit
        )
        try:
            while chunk := await download.read():
                await appender.put(chunk)
            await appender.flush()
        finally:
            await appender.stop()

    async def _link(self, size: int) -> None:
        """Now that the bytes are here, every repository that was proven to show them does."""
        linked = 0
        try:
            while linked < len(self.origins):
                await self._means.metadata.link_blob(
                    self.origins[linked].repository,
                    self.digest,
                    size,
                    at=self._means.clock(),
                    durable=False,
                )
                linked += 1
        except StoreError as error:
            _LOG.error("cannot link %s: %s", self.digest, error)

    async def _reject(
        self,
        staged: Staged,
        error: DigestMismatchError,
        sources: frozenset[str],
        *,
        sure: bool,
    ) -> None:
        """Wrong bytes: readers are cut, new ones get the next attempt, from another source.

        Where it is not `sure` who lied, because several sources took part (an earlier process may
        have known others), nobody is avoided the first time, all of them the second.
        """
        bad, self.content = self.content, self._new_content()
        bad.cut(CutError(f"{self.digest}: the bytes that came are wrong"))
        self._means.counts.mismatched += 1
        _LOG.warning("wrong bytes for %s from %s: %s", self.digest, ", ".join(sources), error)
        if sure or self._doubted:
            self.avoid |= sources
        self._doubted = self._doubted or not sure
        await bad.idle()
        bad.lose()
        await staged.quarantine(f"{error}; from {', '.join(sources) or 'an earlier process'}")

    async def _spill(self, staged: Staged | None) -> None:
        """Every client goes on by itself; what is here is dropped as soon as each of them has the
        hash of what it got."""
        content = self.content
        self._means.counts.spilled += 1
        content.spill()
        try:
            await content.idle()
            if staged is not None and content.readers:
                await content.hash_prefixes(algorithm_of(self.digest))
        except StoreError as error:
            _LOG.error("what came of %s cannot be read: %s", self.digest, error)
        finally:
            content.lose()
            try:
                if staged is not None:
                    await staged.drop()
            except StoreError as error:
                _LOG.error("what came of %s cannot be dropped: %s", self.digest, error)
            content.released.set()

    async def _keep(self, staged: Staged) -> None:
        """Keep what came for the next one that asks; nothing at all is not kept."""
        await self.content.idle()
        self.content.lose()
        await (staged.close() if staged.size else staged.drop())

    async def _close_when_unused(self) -> None:
        if self._over and self.seats == 0:
            await self.content.close()

    def _new_content(self) -> Content:
        return Content(self._means.policy, self._recent_limit)

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[bool]:
        """The right to fill this digest, among replicas, kept alive while inside; and with it what
        keeps the sweep away. False where another one has it."""
        name, metadata = f"fill:{self.digest}", self._means.metadata
        if not await self._renew(name):
            yield False
            return
        keeper = asyncio.create_task(self._keep_lease(name))
        try:
            yield True
        finally:
            keeper.cancel()
            await asyncio.wait((keeper,))
            try:
                await metadata.unhold((self.digest,), Hold.FILL)
                await metadata.release_lease(name, self._means.owner)
            except StoreError as error:
                _LOG.error("the lease of %s is left to expire: %s", self.digest, error)

    async def _renew(self, name: str) -> bool:
        now = self._means.clock()
        until = now + self._means.policy.lease
        if not await self._means.metadata.take_lease(name, self._means.owner, now=now, until=until):
            return False
        await self._means.metadata.hold((self.digest,), Hold.FILL, until=until)
        return True

    async def _keep_lease(self, name: str) -> None:
        while True:
            await asyncio.sleep(self._means.policy.lease / 3)
            try:
                if not await self._renew(name):
                    _LOG.warning("another replica fills %s, too", self.digest)
            except StoreError as error:
                _LOG.error("the lease of %s cannot be renewed: %s", self.digest, error)
