"""`Metadata` in memory: each write on the state of its batch, or on the one that all see."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar

from msgspec import Struct, field
from msgspec.structs import replace

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import (
    Change,
    Hold,
    ImmutableTagError,
    Kind,
    TagRow,
    UploadRow,
)
from homeport.mirror.store.burials import Burials
from homeport.mirror.store.memory.space import MemorySpace
from homeport.mirror.store.memory.state import Link, State
from homeport.oci.digest import Digest
from homeport.oci.manifest import Descriptor, Manifest


class _Batch(Struct):
    state: State
    changes: list[Change] = field(default_factory=list)
    open: bool = True


class MemoryMetadata(MemorySpace):
    """Metadata that ends with the process."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._burials = Burials()
        self._state = State()
        self._listeners: list[Callable[[Change], None]] = []
        self._lock = asyncio.Lock()
        self._batch: ContextVar[_Batch | None] = ContextVar("batch", default=None)

    # manifests and tags
    async def manifest(self, repository: Repository, digest: Digest) -> Manifest | None:
        return self._now().manifest(repository, digest)

    async def tag(self, repository: Repository, tag: str) -> TagRow | None:
        return self._now().tags.get((repository, tag))

    async def put_manifest(
        self,
        repository: Repository,
        manifest: Manifest,
        *,
        tags: Sequence[str] = (),
        at: float,
        durable: bool,  # noqa: ARG002
        immutable: Callable[[str], bool] | None = None,
    ) -> None:
        async with self._write() as write:
            state = write.state
            for tag in tags:
                row = state.tags.get((repository, tag))
                if row and row.digest != manifest.digest and immutable and immutable(tag):
                    raise ImmutableTagError(tag)
            state.repositories.add(repository)
            state.manifests[manifest.digest, manifest.media_type] = manifest
            state.links[repository, manifest.digest] = Link(manifest.media_type, at)
            for tag in tags:
                state.tags[repository, tag] = TagRow(
                    name=tag,
                    digest=manifest.digest,
                    media_type=manifest.media_type,
                    size=len(manifest.content),
                    checked=at,
                )
            write.changes += _of_manifest(repository, manifest)
            write.changes += [Change(Kind.TAG, repository, tag) for tag in tags]

    async def confirm_tag(self, repository: Repository, tag: str, *, at: float) -> None:
        await self._change_tag(repository, tag, checked=at, gone=None)

    async def mark_gone(self, repository: Repository, tag: str, *, at: float) -> None:
        await self._change_tag(repository, tag, gone=at)

    async def _change_tag(self, repository: Repository, tag: str, **what: float | None) -> None:
        async with self._write() as write:
            row = write.state.tags.get((repository, tag))
            if row is not None:
                write.state.tags[repository, tag] = replace(row, **what)
                write.changes.append(Change(Kind.TAG, repository, tag))

    async def delete_tag(self, repository: Repository, tag: str) -> bool:
        async with self._write() as write:
            if write.state.tags.pop((repository, tag), None) is None:
                return False
            write.changes.append(Change(Kind.TAG, repository, tag))
            return True

    async def delete_manifest(self, repository: Repository, digest: Digest) -> bool:
        async with self._write() as write:
            return _unlink(write.state, repository, digest, write.changes)

    async def lose_manifest(self, digest: Digest) -> Sequence[Repository]:
        async with self._write() as write:
            state = write.state
            homes = sorted(home for home, linked in state.links if linked == digest)
            for home in homes:
                _unlink(state, home, digest, write.changes)
            for key in [key for key in state.manifests if key[0] == digest]:
                del state.manifests[key]
            return homes

    async def tags(self, repository: Repository, *, after: str, limit: int) -> Sequence[str]:
        names = (name for home, name in self._now().tags if home == repository)
        return sorted(name for name in names if name > after)[:limit]

    async def tags_of(self, repository: Repository, digest: Digest) -> Sequence[str]:
        rows = self._now().tags.items()
        return sorted(n for (home, n), row in rows if home == repository and row.digest == digest)

    async def linked(self, repository: Repository, *, after: str, limit: int) -> Sequence[Digest]:
        digests = (digest for home, digest in self._now().links if home == repository)
        return sorted(digest for digest in digests if digest > after)[:limit]

    async def parents(self, repository: Repository, digest: Digest) -> Sequence[Digest]:
        return sorted(
            manifest.digest
            for manifest in self._now().of(repository)
            if any(child.digest == digest for child in manifest.manifests)
        )

    async def has_repository(self, repository: Repository) -> bool:
        return repository in self._now().repositories

    async def repositories(
        self, *, after: Repository | None, limit: int, upstream: str | None = None
    ) -> Sequence[Repository]:
        found = {home for home, _ in self._now().links}
        return sorted(
            home
            for home in found
            if (after is None or home > after) and upstream in (None, home.upstream)
        )[:limit]

    async def referrers(self, repository: Repository, subject: Digest) -> Sequence[Descriptor]:
        return [
            Descriptor(
                media_type=manifest.media_type,
                digest=manifest.digest,
                size=len(manifest.content),
                artifact_type=manifest.artifact_type,
                annotations=manifest.annotations,
            )
            for manifest in sorted(self._now().of(repository), key=lambda each: each.digest)
            if manifest.subject is not None and manifest.subject.digest == subject
        ]

    # blobs
    async def link_blob(
        self,
        repository: Repository,
        digest: Digest,
        size: int,
        *,
        at: float,
        durable: bool,  # noqa: ARG002
    ) -> None:
        async with self._write() as write:
            write.state.repositories.add(repository)
            write.state.blobs[digest] = size
            write.state.blob_links[repository, digest] = at
            write.changes.append(Change(Kind.BLOB, repository, digest))

    async def blob(self, repository: Repository, digest: Digest) -> int | None:
        return self._now().proven(repository, digest)

    async def unlink_blob(self, repository: Repository, digest: Digest) -> bool:
        async with self._write() as write:
            if write.state.blob_links.pop((repository, digest), None) is None:
                return False
            write.changes.append(Change(Kind.BLOB, repository, digest))
            return True

    async def lose_blob(self, digest: Digest) -> Sequence[Repository]:
        async with self._write() as write:
            state = write.state
            direct = {home for home, linked in state.blob_links if linked == digest}
            homes = direct | {h for h, _ in state.links if state.referenced(h, digest)}
            state.blobs.pop(digest, None)
            for home in direct:
                del state.blob_links[home, digest]
            write.changes += [Change(Kind.BLOB, home, digest) for home in homes]
            return sorted(homes)

    async def blob_homes(self, digest: Digest, *, limit: int = 100) -> Sequence[Repository]:
        return sorted(h for h, linked in self._now().blob_links if linked == digest)[:limit]

    async def missing(self, repository: Repository, digests: Iterable[Digest]) -> Sequence[Digest]:
        state = self._now()
        return [
            digest
            for digest in digests
            if (repository, digest) not in state.links
            and not (digest in state.blobs and state.proven(repository, digest) is not None)
        ]

    async def unknown(self, digests: Iterable[Digest]) -> Sequence[Digest]:
        blobs = self._now().blobs
        return [digest for digest in digests if digest not in blobs]

    async def held_blobs(self, *, after: str, limit: int) -> Sequence[tuple[Digest, int]]:
        return sorted(each for each in self._now().blobs.items() if each[0] > after)[:limit]

    async def held_manifests(self, *, after: str, limit: int) -> Sequence[Manifest]:
        manifests = self._now().manifests
        digests = sorted({digest for digest, _ in manifests if digest > after})[:limit]
        return [manifests[key] for key in sorted(manifests) if key[0] in digests]

    # uploads
    async def put_upload(self, upload: UploadRow) -> None:
        async with self._write() as write:
            write.state.uploads[upload.session] = upload

    async def upload(self, session: str) -> UploadRow | None:
        return self._now().uploads.get(session)

    async def delete_upload(self, session: str) -> bool:
        async with self._write() as write:
            return write.state.uploads.pop(session, None) is not None

    async def uploads(self) -> Sequence[UploadRow]:
        return sorted(self._now().uploads.values(), key=lambda each: each.session)

    # use and replicas
    async def used(self, uses: Sequence[tuple[Repository, Digest]], *, at: float) -> None:
        async with self._write() as write:
            for use in uses:
                link = write.state.links.get(use)
                if link is not None and link.used < at:
                    write.state.links[use] = replace(link, used=at)

    async def hold(self, digests: Iterable[Digest], why: Hold, *, until: float) -> None:
        digests = list(digests)
        async with self._write() as write:
            for digest in digests:
                before = write.state.holds.get((digest, why), until)
                write.state.holds[digest, why] = max(before, until)
        await self._burials.over(digests)

    async def unhold(self, digests: Iterable[Digest], why: Hold) -> None:
        async with self._write() as write:
            for digest in digests:
                write.state.holds.pop((digest, why), None)

    async def take_lease(self, name: str, owner: str, *, now: float, until: float) -> bool:
        async with self._write() as write:
            holder, expires = write.state.leases.get(name, (owner, 0.0))
            if holder != owner and expires > now:
                return False
            write.state.leases[name] = (owner, until)
            return True

    async def release_lease(self, name: str, owner: str) -> None:
        async with self._write() as write:
            if write.state.leases.get(name, ("", 0.0))[0] == owner:
                del write.state.leases[name]

    # garbage: see MemorySpace
    async def forget(self, digest: Digest, *, now: float) -> bool:
        if not self._burials.begin(digest):
            return False
        gone = False
        try:
            async with self._write() as write:
                gone = self._forget(write.state, digest, now)
        finally:
            if not gone:
                self._burials.end(digest)
        return gone

    async def condemn(self, digest: Digest, *, now: float) -> bool:
        if not self._burials.begin(digest):
            return False
        holds = self._now().holds
        if any(holds.get((digest, why), 0.0) > now for why in (Hold.UPLOAD, Hold.FILL)):
            self._burials.end(digest)
            return False
        return True

    async def buried(self, digest: Digest) -> None:
        self._burials.end(digest)

    async def expire_links(
        self, *, before: float, now: float, limit: int, within: Repository | None = None
    ) -> int:
        async with self._write() as write:
            expired = [
                each
                for each in self._expired(write.state, before, now)
                if within in (None, each[0])
            ][:limit]
            for home, digest in expired:
                del write.state.blob_links[home, digest]
                write.changes.append(Change(Kind.BLOB, home, digest))
            return len(expired)

    async def collectable(self, *, before: float, now: float) -> tuple[int, Sequence[Digest]]:
        state = self._now().copy()
        expired = self._expired(state, before, now)
        for each in expired:
            del state.blob_links[each]
        return len(expired), [digest for digest, _ in self._garbage(state, now)]

    # life
    def subscribe(self, listener: Callable[[Change], None]) -> None:
        self._listeners.append(listener)

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[None]:
        async with self._write():
            yield

    async def close(self) -> None:
        self._listeners.clear()

    def _now(self) -> State:
        batch = self._batch.get()
        return batch.state if batch is not None and batch.open else self._state

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[_Batch]:
        """The batch that this task is in, or one for a single write."""
        joined = self._batch.get()
        if joined is not None and joined.open:
            yield joined
            return
        async with self._lock:
            batch = _Batch(self._state.copy())
            token = self._batch.set(batch)
            try:
                yield batch
            finally:
                batch.open = False
                self._batch.reset(token)
            self._state = batch.state
            for change in dict.fromkeys(batch.changes):
                for listener in self._listeners:
                    listener(change)


def _of_manifest(repository: Repository, manifest: Manifest) -> list[Change]:
    """What may have changed where a manifest is linked or unlinked."""
    changes = [Change(Kind.MANIFEST, repository, manifest.digest)]
    changes += [Change(Kind.BLOB, repository, each.digest) for each in manifest.blobs]
    if manifest.subject is not None:
        changes.append(Change(Kind.REFERRERS, repository, manifest.subject.digest))
    return changes


def _unlink(state: State, home: Repository, digest: Digest, changes: list[Change]) -> bool:
    manifest = state.manifest(home, digest)
    if manifest is None:
        return False
    del state.links[home, digest]
    for key in [k for k, row in state.tags.items() if k[0] == home and row.digest == digest]:
        del state.tags[key]
        changes.append(Change(Kind.TAG, home, key[1]))
    changes += _of_manifest(home, manifest)
    return True
