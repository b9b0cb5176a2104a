"""Uploading, mounting and deleting blobs (end-4, 5, 6, 10, 11, 13, 14)."""

from collections.abc import AsyncIterator, Callable, Mapping

from homeport.mirror.errors import DigestMismatchError, NoSpaceError, RegistryError
from homeport.mirror.model.config import LimitsConfig
from homeport.mirror.model.endpoint import Blob, Upload
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import LOCAL, Repository, Target
from homeport.mirror.model.record import Outcome
from homeport.mirror.push import refusal
from homeport.mirror.push.api import Mountable
from homeport.mirror.push.intake import Ceiling, Chunk, parse_content_range, receive
from homeport.mirror.push.location import blob_path, upload_path
from homeport.mirror.push.namespaces import Namespaces
from homeport.mirror.push.protection import Protection
from homeport.mirror.push.sessions import Session, Sessions
from homeport.mirror.store.api import Blobs, Hold, Metadata
from homeport.oci.digest import Digest, algorithm_of, start_hash
from homeport.oci.error_code import ErrorCode
from homeport.oci.reference import is_name

HOLD_SECONDS = 86_400.0
"""How long a blob waits for the manifest that it was uploaded for."""


class BlobWriter:
    """The half of the writer that deals with blobs."""

    def __init__(
        self,
        *,
        blobs: Blobs,
        metadata: Metadata,
        namespaces: Namespaces,
        sessions: Sessions,
        limits: LimitsConfig,
        clock: Callable[[], float],
    ) -> None:
        self._blobs = blobs
        self._metadata = metadata
        self._namespaces = namespaces
        self._sessions = sessions
        self._limits = limits
        self._clock = clock
        self._protection = Protection(metadata, namespaces)

    def replace(self, limits: LimitsConfig) -> None:
        self._limits = limits

    async def start(self, request: Request, target: Target, mountable: Mountable) -> Reply:
        """end-4a, end-4b, end-4c, end-11."""
        self._namespaces.of(target.repository)
        query = request.query
        if "mount" in query:
            digest = refusal.checked_digest(query["mount"])
            mounted = await self._mount(target, digest, query.get("from", ""), mountable)
            if mounted is not None:
                return mounted
            return self._accepted(
                target,
                await self._sessions.start(target.repository, algorithm_of(digest)),
            )
        if "digest" in query:
            return await self._push_at_once(
                request, target, refusal.checked_digest(query["digest"])
            )
        algorithm = query.get("digest-algorithm", "sha256")
        try:
            start_hash(algorithm)
        except ValueError as error:
            raise RegistryError(ErrorCode.DIGEST_INVALID, str(error)) from None
        return self._accepted(target, await self._sessions.start(target.repository, algorithm))

    async def patch(self, request: Request, target: Target, endpoint: Upload) -> Reply:
        """end-5: one chunk, or a stream of any length."""
        chunk = _chunk(request)
        async with self._sessions.hold(target.repository, endpoint.session) as session:
            await self._receive(request, target, session, chunk)
            return self._progress(202, target, endpoint.session, session.content.size)

    async def put(self, request: Request, target: Target, endpoint: Upload) -> Reply:
        """end-6: the last chunk, if any, and the digest of the whole."""
        digest = refusal.checked_digest(request.query.get("digest"))
        chunk = _chunk(request)
        async with self._sessions.hold(target.repository, endpoint.session) as session:
            await self._receive(request, target, session, chunk)
            return await self._commit(target, session, digest)

    async def status(self, target: Target, endpoint: Upload) -> Reply:
        """end-13."""
        size = await self._sessions.size(target.repository, endpoint.session)
        return self._progress(204, target, endpoint.session, size)

    async def cancel(self, target: Target, endpoint: Upload) -> Reply:
        """end-14."""
        await self._sessions.cancel(target.repository, endpoint.session)
        return Reply(status=204)

    async def delete(self, target: Target, endpoint: Blob) -> Reply:
        """end-10. A manifest that needs the blob does not protect it, an immutable tag does."""
        digest = refusal.checked_digest(endpoint.digest)
        repository = target.repository
        config = self._namespaces.of(repository)
        size = await self._metadata.blob(repository, digest)
        if size is None:
            raise RegistryError(ErrorCode.BLOB_UNKNOWN, f"{target.asked} has no blob {digest}")
        tag = await self._protection.of_blob(repository, digest)
        if tag is not None and config is not None:
            raise refusal.immutable_tag(tag, config.name)
        if not await self._metadata.unlink_blob(repository, digest):
            raise RegistryError(ErrorCode.BLOB_UNKNOWN, f"{target.asked} has no blob {digest}")
        return Reply(status=202, outcome=Outcome(digest=digest, size=size))

    async def _push_at_once(self, request: Request, target: Target, digest: Digest) -> Reply:
        started = await self._sessions.start(target.repository, algorithm_of(digest))
        name = started.row.session
        try:
            async with self._sessions.hold(target.repository, name) as session:
                await self._receive(request, target, session, None)
                return await self._commit(target, session, digest)
        except BaseException:
            # Nobody was told its name, so nobody could go on with it.
            if not started.ended:
                await self._sessions.cancel(target.repository, name)
            raise

    async def _receive(
        self, request: Request, target: Target, session: Session, chunk: Chunk | None
    ) -> None:
        staged = session.content
        if chunk is not None and chunk.start != staged.size:
            raise RegistryError(
                ErrorCode.RANGE_INVALID,
                f"the next byte is number {staged.size}, not {chunk.start}",
                headers=_headers(target, session.row.session, staged.size),
            )
        expected = request.length if chunk is None else chunk.size
        if request.body is None and not expected:
            return
        ceiling = await self._ceiling(target.repository, session)
        session.claim = staged.size + (expected or 0)
        try:
            reserved = await self._blobs.reserve(expected, key=staged.key) if expected else None
        except NoSpaceError:
            raise refusal.no_space() from None
        try:
            await receive(
                request.body,
                staged,
                expected=expected,
                ceiling=ceiling,
                cancelled=lambda: session.ended,
            )
        finally:
            if reserved is not None:
                reserved.release()

    async def _ceiling(self, repository: Repository, session: Session) -> Ceiling:
        limit = self._limits.blob_bytes
        room = await self._namespaces.room(repository)
        if room is not None:
            room -= self._sessions.writing(self._namespaces.like(repository), but=session)
            if room < limit:
                return Ceiling(room, lambda: self._namespaces.over(repository))
        return Ceiling(limit, lambda: refusal.blob_too_large(limit))

    async def _commit(self, target: Target, session: Session, digest: Digest) -> Reply:
        repository, staged = target.repository, session.content
        size, now = staged.size, self._clock()
        async with self._namespaces.admit(repository, digest, size):
            # Held first: from the commit on, a sweep may meet the blob before its link.
            await self._metadata.hold((digest,), Hold.UPLOAD, until=now + HOLD_SECONDS)
            try:
                await staged.commit(digest, durable=True)
            except DigestMismatchError:
                await self._sessions.finish(session)
                raise RegistryError(
                    ErrorCode.DIGEST_INVALID, f"the {size} bytes sent are not those of {digest}"
                ) from None
            except NoSpaceError:
                raise refusal.no_space() from None
            await self._metadata.link_blob(repository, digest, size, at=now, durable=True)
        await self._sessions.committed(session)
        return _created(target, digest, size)

    async def _mount(
        self, target: Target, digest: Digest, source: str, mountable: Mountable
    ) -> Reply | None:
        """None where no repository that the client may read has the blob; it then uploads it."""
        size = await self._blobs.stat(digest)
        if size is None or not await self._may_mount(target.repository, digest, source, mountable):
            return None
        repository, now = target.repository, self._clock()
        async with self._namespaces.admit(repository, digest, size):
            await self._metadata.hold((digest,), Hold.UPLOAD, until=now + HOLD_SECONDS)
            # A cache need not have synced it; and a sweep may have been faster than the hold.
            if not await self._blobs.make_durable(digest):
                return None
            await self._metadata.link_blob(repository, digest, size, at=now, durable=True)
        return _created(target, digest, size)

    async def _may_mount(
        self, into: Repository, digest: Digest, source: str, mountable: Mountable
    ) -> bool:
        async for home in self._homes(into, digest, source):
            if home == into or await mountable(home.mirrored if home.is_overlay else home):
                return True
        return False

    async def _homes(
        self, into: Repository, digest: Digest, source: str
    ) -> AsyncIterator[Repository]:
        """Repositories with the blob: itself, the one that the client named, then any other."""
        named = [into]
        if is_name(source):
            upstream, _, name = source.partition("/")
            named += [Repository(LOCAL, source), Repository(upstream, name)]
        for candidate in named:
            if candidate.name and await self._metadata.blob(candidate, digest) is not None:
                yield candidate
        for home in await self._metadata.blob_homes(digest):
            yield home

    def _accepted(self, target: Target, session: Session) -> Reply:
        return self._progress(202, target, session.row.session, 0)

    def _progress(self, status: int, target: Target, session: str, size: int) -> Reply:
        return Reply(status=status, headers=_headers(target, session, size))


def _chunk(request: Request) -> Chunk | None:
    chunk = parse_content_range(request.headers.get("Content-Range"))
    if chunk is not None and request.length is not None and request.length != chunk.size:
        raise RegistryError(
            ErrorCode.SIZE_INVALID,
            f"Content-Range is {chunk.size} bytes long, Content-Length {request.length}",
        )
    return chunk


def _headers(target: Target, session: str, size: int) -> Mapping[str, str]:
    """`Range` cannot say that nothing has arrived: 0-0 is what every registry says then."""
    return {
        "Location": upload_path(target, session),
        "Range": f"0-{max(size - 1, 0)}",
        "Docker-Upload-UUID": session,
    }


def _created(target: Target, digest: Digest, size: int) -> Reply:
    return Reply(
        status=201,
        headers={"Location": blob_path(target, digest), "Docker-Content-Digest": digest},
        outcome=Outcome(digest=digest, size=size),
    )
