"""Uploads that are under way: one row each in the metadata, and staged content under its name.

Both survive a restart of the server; the handles kept here only save hashing again what is there.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from homeport.mirror.model.config import LimitsConfig
from homeport.mirror.model.names import Repository
from homeport.mirror.push import refusal
from homeport.mirror.store.api import Blobs, Metadata, Staged, UploadRow

_PREFIX = "upload-"
_NAME = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class Session:
    """One upload. `staged` is open while a request holds the session, and often longer; `claim` is
    the size that the content will have when the request that writes has ended, as announced."""

    __slots__ = ("claim", "ended", "lock", "row", "staged", "touched")

    def __init__(self, row: UploadRow, touched: float) -> None:
        self.row = row
        self.touched = touched
        self.staged: Staged | None = None
        self.lock = asyncio.Lock()
        self.claim = 0
        self.ended = False

    @property
    def key(self) -> str:
        return _PREFIX + self.row.session

    @property
    def content(self) -> Staged:
        """What has been uploaded; only while the session is held."""
        if self.staged is None:
            raise RuntimeError("the session is not held")
        return self.staged


class Sessions:
    """Starts, finds, ends and expires uploads; at most one request writes to one.

    A request that meets another waits `patience` seconds, because that other is usually the same
    client's, whose connection is dying, and then gets 409.
    """

    def __init__(
        self,
        *,
        blobs: Blobs,
        metadata: Metadata,
        limits: LimitsConfig,
        clock: Callable[[], float],
        patience: float,
    ) -> None:
        self._blobs = blobs
        self._metadata = metadata
        self._limits = limits
        self._clock = clock
        self._patience = patience
        self._known: dict[str, Session] = {}
        self._starting = asyncio.Lock()

    def replace(self, limits: LimitsConfig) -> None:
        self._limits = limits

    async def start(self, repository: Repository, algorithm: str) -> Session:
        """A new upload; raises 429 where too many are open. Nothing is staged yet."""
        now = self._clock()
        row = UploadRow(
            session=str(uuid4()), repository=repository, started=now, algorithm=algorithm
        )
        async with self._starting:
            if len(await self._metadata.uploads()) >= self._limits.open_uploads:
                await self.expire()
                if len(await self._metadata.uploads()) >= self._limits.open_uploads:
                    raise refusal.too_many_uploads(self._limits.open_uploads)
            await self._metadata.put_upload(row)
        session = Session(row, now)
        self._known[row.session] = session
        return session

    @asynccontextmanager
    async def hold(self, repository: Repository, name: str) -> AsyncIterator[Session]:
        """The session, for this request alone; raises 404 and 409."""
        session = await self._find(repository, name)
        try:
            async with asyncio.timeout(self._patience):
                await session.lock.acquire()
        except TimeoutError:
            raise refusal.busy_upload() from None
        try:
            if session.ended:
                raise refusal.unknown_upload()
            if session.staged is None:
                session.staged = await self._blobs.stage(
                    session.key, algorithm=session.row.algorithm
                )
            yield session
        finally:
            session.touched, session.claim = self._clock(), 0
            session.lock.release()
            if session.ended:
                await self._discard(session)

    async def size(self, repository: Repository, name: str) -> int:
        """How many bytes have arrived, also while a request is writing."""
        session = await self._find(repository, name)
        if session.staged is not None:
            return session.staged.size
        async with self.hold(repository, name) as held:
            return held.content.size

    def writing(self, counts: Callable[[Repository], bool], *, but: Session) -> int:
        """Bytes of uploads that other requests are writing just now, where `counts` says so. Those
        that lie idle do not count: a client that was cut off would block its namespace."""
        return sum(
            max(session.claim, session.staged.size)
            for session in self._known.values()
            if session is not but
            and session.staged is not None
            and session.lock.locked()
            and counts(session.row.repository)
        )

    async def cancel(self, repository: Repository, name: str) -> None:
        """End it. A request that is writing stops at its next bytes, and drops what there is."""
        session = await self._find(repository, name)
        session.ended = True
        await self._metadata.delete_upload(name)
        if not session.lock.locked():
            await self._discard(session)

    async def finish(self, session: Session) -> None:
        """Forget a session whose content has become a blob, or is of no use; it must be held."""
        session.ended = True
        await self._metadata.delete_upload(session.row.session)

    async def committed(self, session: Session) -> None:
        """As `finish`, where the staged content is a blob now and nothing is left to drop."""
        staged, session.staged = session.staged, None
        await self.finish(session)
        self._known.pop(session.row.session, None)
        if staged is not None:
            await staged.close()

    async def expire(self) -> int:
        """Drop uploads that nobody has touched for `upload_age` seconds, and staged content that
        belongs to none; the number of those dropped."""
        now = self._clock()
        age = self._limits.upload_age
        rows = {row.session: row for row in await self._metadata.uploads()}
        dropped = 0
        for name, row in rows.items():
            session = self._known.get(name)
            touched = row.started if session is None else session.touched
            if touched + age > now or (session is not None and session.lock.locked()):
                continue
            with contextlib.suppress(Exception):
                await self.cancel(row.repository, name)
                dropped += 1
        for info in await self._blobs.staged():
            name = info.key.removeprefix(_PREFIX)
            if not info.key.startswith(_PREFIX) or name in rows or name in self._known:
                continue
            if info.modified + age <= now:
                await (await self._blobs.stage(info.key, fresh=True)).drop()
                dropped += 1
        return dropped

    async def close(self) -> None:
        """Let go of everything; what has arrived stays for the next start of the server."""
        known, self._known = self._known, {}
        for session in known.values():
            if session.staged is not None and not session.lock.locked():
                await session.staged.close()

    async def _find(self, repository: Repository, name: str) -> Session:
        known = self._known.get(name)
        if known is None:
            row = await self._metadata.upload(name) if _NAME.fullmatch(name) else None
            if row is None:
                raise refusal.unknown_upload()
            known = self._known.setdefault(name, Session(row, row.started))
        if known.row.repository != repository or known.ended:
            raise refusal.unknown_upload()
        return known

    async def _discard(self, session: Session) -> None:
        """Drop the staged content, once."""
        if self._known.pop(session.row.session, None) is None:
            return
        staged, session.staged = session.staged, None
        if staged is None:
            staged = await self._blobs.stage(session.key, fresh=True)
        await staged.drop()
