"""`Metadata` over the writer and the readers: each method is one query or one transaction."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeVar

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import Change, Hold, StoreError, TagRow, UploadRow
from homeport.mirror.store.burials import Burials
from homeport.mirror.store.sqlite import blobs, manifests, repositories, sessions, space
from homeport.mirror.store.sqlite import tags as names
from homeport.mirror.store.sqlite.connection import connect, create, in_words
from homeport.mirror.store.sqlite.readers import Read, Readers
from homeport.mirror.store.sqlite.schema import migrate
from homeport.mirror.store.sqlite.writer import Writer
from homeport.oci.digest import Digest
from homeport.oci.manifest import Descriptor, Manifest

T = TypeVar("T")
OLDEST = (3, 38)
"""The SQLite that this needs: RETURNING, ON CONFLICT without a target, json_each built in."""


async def open_metadata(path: Path, *, clock: Callable[[], float]) -> "SqliteMetadata":
    """Open the database, or begin one (mode 0600), and bring its tables up to date. Raises
    StoreError for one that is damaged or newer than this program."""
    await asyncio.to_thread(_prepare, path)
    return SqliteMetadata(path, clock=clock)


def _prepare(path: Path) -> None:
    if sqlite3.sqlite_version_info < OLDEST:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: 3.38 or newer is needed")
    try:
        create(path)
        connection = connect(path)
        try:
            connection.execute("PRAGMA synchronous=FULL")
            migrate(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise in_words(error, path) from error
    except OSError as error:
        raise StoreError(f"opening the database {path}: {error}") from error


class SqliteMetadata:
    """Made by `open_metadata`."""

    def __init__(self, path: Path, *, clock: Callable[[], float]) -> None:
        self.path = path
        self.clock = clock
        self._burials = Burials()
        self._readers = Readers(path)
        self._writer = Writer(path)
        self._write = self._writer.write

    async def _read(self, query: Read[T]) -> T:
        """Inside a batch, its own writes are seen."""
        if self._writer.in_batch:
            return await self._writer.write(lambda c, _: query(c))
        return await self._readers.read(query)

    # manifests and tags
    async def manifest(self, repository: Repository, digest: Digest) -> Manifest | None:
        return await self._read(lambda c: manifests.get(c, repository, digest))

    async def tag(self, repository: Repository, tag: str) -> TagRow | None:
        return await self._read(lambda c: names.get(c, repository, tag))

    async def put_manifest(
        self,
        repository: Repository,
        manifest: Manifest,
        *,
        tags: Sequence[str] = (),
        at: float,
        durable: bool,
        immutable: Callable[[str], bool] | None = None,
    ) -> None:
        named = tuple(tags)
        frozen = [tag for tag in named if immutable(tag)] if immutable else []

        def work(connection: sqlite3.Connection, changes: list[Change]) -> None:
            names.refuse_moved(connection, repository, frozen, manifest.digest)
            home = manifests.put(connection, changes, repository, manifest, at)
            names.put(connection, changes, repository, manifest, home=home, tags=named, at=at)

        await self._write(work, durable=durable)

    async def confirm_tag(self, repository: Repository, tag: str, *, at: float) -> None:
        await self._write(
            lambda c, changes: names.check(c, changes, repository, tag, at=at, gone=False)
        )

    async def mark_gone(self, repository: Repository, tag: str, *, at: float) -> None:
        await self._write(
            lambda c, changes: names.check(c, changes, repository, tag, at=at, gone=True)
        )

    async def delete_tag(self, repository: Repository, tag: str) -> bool:
        return await self._write(
            lambda c, changes: names.delete(c, changes, repository, tag), durable=True
        )

    async def delete_manifest(self, repository: Repository, digest: Digest) -> bool:
        return await self._write(
            lambda c, changes: manifests.unlink(c, changes, repository, digest), durable=True
        )

    async def lose_manifest(self, digest: Digest) -> Sequence[Repository]:
        return await self._write(
            lambda c, changes: manifests.lose(c, changes, digest), durable=True
        )

    async def tags(self, repository: Repository, *, after: str, limit: int) -> Sequence[str]:
        return await self._read(lambda c: names.names(c, repository, after, limit))

    async def tags_of(self, repository: Repository, digest: Digest) -> Sequence[str]:
        return await self._read(lambda c: names.of(c, repository, digest))

    async def linked(self, repository: Repository, *, after: str, limit: int) -> Sequence[Digest]:
        return await self._read(lambda c: manifests.linked(c, repository, after, limit))

    async def parents(self, repository: Repository, digest: Digest) -> Sequence[Digest]:
        return await self._read(lambda c: manifests.parents(c, repository, digest))

    async def has_repository(self, repository: Repository) -> bool:
        return await self._read(lambda c: repositories.number_of(c, repository)) is not None

    async def repositories(
        self, *, after: Repository | None, limit: int, upstream: str | None = None
    ) -> Sequence[Repository]:
        return await self._read(lambda c: repositories.listed(c, after, limit, upstream))

    async def referrers(self, repository: Repository, subject: Digest) -> Sequence[Descriptor]:
        return await self._read(lambda c: manifests.referrers(c, repository, subject))

    async def held_manifests(self, *, after: str, limit: int) -> Sequence[Manifest]:
        return await self._read(lambda c: manifests.held(c, after, limit))

    # blobs
    async def link_blob(
        self, repository: Repository, digest: Digest, size: int, *, at: float, durable: bool
    ) -> None:
        await self._write(
            lambda c, changes: blobs.link(c, changes, repository, digest, size=size, at=at),
            durable=durable,
        )

    async def blob(self, repository: Repository, digest: Digest) -> int | None:
        return await self._read(lambda c: blobs.proven(c, repository, digest))

    async def unlink_blob(self, repository: Repository, digest: Digest) -> bool:
        return await self._write(
            lambda c, changes: blobs.unlink(c, changes, repository, digest), durable=True
        )

    async def lose_blob(self, digest: Digest) -> Sequence[Repository]:
        return await self._write(lambda c, changes: blobs.lose(c, changes, digest), durable=True)

    async def blob_homes(self, digest: Digest, *, limit: int = 100) -> Sequence[Repository]:
        return await self._read(lambda c: blobs.homes(c, digest, limit))

    async def missing(self, repository: Repository, digests: Iterable[Digest]) -> Sequence[Digest]:
        asked = list(digests)
        return await self._read(lambda c: blobs.missing(c, repository, asked))

    async def unknown(self, digests: Iterable[Digest]) -> Sequence[Digest]:
        asked = list(digests)
        return await self._read(lambda c: blobs.unknown(c, asked))

    async def held_blobs(self, *, after: str, limit: int) -> Sequence[tuple[Digest, int]]:
        return await self._read(lambda c: blobs.held(c, after, limit))

    # uploads
    async def put_upload(self, upload: UploadRow) -> None:
        await self._write(lambda c, _: sessions.put_upload(c, upload))

    async def upload(self, session: str) -> UploadRow | None:
        found = await self._read(lambda c: sessions.uploads(c, session))
        return found[0] if found else None

    async def delete_upload(self, session: str) -> bool:
        return await self._write(lambda c, _: sessions.delete_upload(c, session))

    async def uploads(self) -> Sequence[UploadRow]:
        return await self._read(sessions.uploads)

    # use, space, replicas
    async def used(self, uses: Sequence[tuple[Repository, Digest]], *, at: float) -> None:
        asked = list(uses)
        await self._write(lambda c, _: space.used(c, asked, at))

    async def hold(self, digests: Iterable[Digest], why: Hold, *, until: float) -> None:
        asked = list(digests)
        await self._write(lambda c, _: space.hold(c, asked, why, until))
        await self._burials.over(asked)

    async def unhold(self, digests: Iterable[Digest], why: Hold) -> None:
        asked = list(digests)
        await self._write(lambda c, _: space.unhold(c, asked, why))

    async def size_of(self, upstream: str, prefix: str) -> int:
        return await self._read(lambda c: repositories.size_of(c, upstream, prefix))

    async def take_lease(self, name: str, owner: str, *, now: float, until: float) -> bool:
        return await self._write(lambda c, _: sessions.take_lease(c, name, owner, now, until))

    async def release_lease(self, name: str, owner: str) -> None:
        await self._write(lambda c, _: sessions.release_lease(c, name, owner))

    # garbage
    async def garbage(self, *, now: float, limit: int) -> Sequence[tuple[Digest, int]]:
        return await self._read(lambda c: space.garbage(c, now, limit))

    async def forget(self, digest: Digest, *, now: float) -> bool:
        if not self._burials.begin(digest):
            return False
        gone = False
        try:
            gone = await self._write(lambda c, _: space.forget(c, digest, now))
        finally:
            if not gone:
                self._burials.end(digest)
        return gone

    async def condemn(self, digest: Digest, *, now: float) -> bool:
        if not self._burials.begin(digest):
            return False
        written = True
        try:
            written = await self._read(lambda c: space.is_written(c, digest, now))
        finally:
            if written:
                self._burials.end(digest)
        return not written

    async def buried(self, digest: Digest) -> None:
        self._burials.end(digest)

    async def expire_links(
        self, *, before: float, now: float, limit: int, within: Repository | None = None
    ) -> int:
        links = await self._read(lambda c: space.expendable(c, before, now, limit, within))
        return await self._write(
            lambda c, changes: space.expire_links(c, changes, links, before=before, now=now)
        )

    async def collectable(self, *, before: float, now: float) -> tuple[int, Sequence[Digest]]:
        return await self._read(lambda c: space.collectable(c, before, now))

    async def coldest(
        self, *, now: float, limit: int, pinned: Callable[[Repository, str], bool]
    ) -> Sequence[tuple[Repository, Digest]]:
        return await self._read(lambda c: space.coldest(c, now, limit, pinned))

    # life
    def subscribe(self, listener: Callable[[Change], None]) -> None:
        self._writer.subscribe(listener)

    def batch(self) -> AbstractAsyncContextManager[None]:
        return self._writer.batch()

    async def close(self) -> None:
        await self._readers.close()
        await self._writer.close()
