"""The two stores as Protocols, shaped for replicas: nothing here says files or SQLite.

A call that returns has happened; `durable=True` also survives a power cut. All raise
`StoreError` where the store itself fails.

Content that is to be linked is held first, then looked for or committed, then linked: `hold`
waits while the sweep deletes the bytes of that very digest, and the sweep leaves alone what is
held. Whoever does it in another order may link what is just being deleted.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from homeport.mirror.errors import StoreError as StoreError  # noqa: PLC0414 - part of the Protocols
from homeport.mirror.model.names import Repository
from homeport.oci.digest import Digest
from homeport.oci.manifest import Descriptor, Manifest

BACKUP = "backup"
"""While somebody holds the lease of this name, nothing is forgotten."""


class BlobInfo(Struct, frozen=True):
    digest: Digest
    size: int
    modified: float


class StagedInfo(Struct, frozen=True):
    """Bytes that are not a blob yet: a download (`fill-…`) or an upload (`upload-…`)."""

    key: str
    size: int
    modified: float


class Usage(Struct, frozen=True):
    """Bytes: of blobs, of staged content, and free on the disk above the configured reserve."""

    blobs: int
    staged: int
    free: int


class OpenBlob(Protocol):
    """A blob held open: deleting it meanwhile harms nobody."""

    size: int

    @property
    def descriptor(self) -> int | None:
        """A file descriptor for sendfile, or None where the store has no local files."""

    async def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; fewer only at the end."""

    def close(self) -> None: ...


class Staged(Protocol):
    """Content that grows by appending and becomes a blob by `commit`. One writer, many readers.

    After `commit` it can be read until `close`; after `drop` and `quarantine`, reading and
    appending raise StoreError."""

    key: str

    @property
    def size(self) -> int:
        """Bytes appended so far, those of an earlier process included."""

    async def append(self, data: bytes | memoryview) -> None:
        """Hash and write. Raises NoSpaceError; `size` is then as before."""

    async def read(self, offset: int, length: int) -> bytes:
        """Up to `length` appended bytes from `offset`; b"" at or after `size`."""

    async def commit(self, digest: Digest, *, durable: bool) -> None:
        """Make it the blob `digest` (any registered algorithm). Raises DigestMismatchError, after
        which the content is still staged. Readers that are open go on reading."""

    async def drop(self) -> None:
        """Remove it, and give its space back."""

    async def quarantine(self, reason: str) -> None:
        """Set it aside for an operator (newest ones are kept, bounded), out of any reader's way."""

    async def close(self) -> None:
        """Keep it for `stage` with the same key later."""


class Reservation(Protocol):
    """Space that nobody else is promised; what is appended is taken from it. `release` is
    idempotent."""

    def release(self) -> None: ...


class Blobs(Protocol):
    async def stat(self, digest: Digest) -> int | None:
        """The size of a blob, None where there is none."""

    async def open(self, digest: Digest) -> OpenBlob | None: ...

    async def stage(self, key: str, *, algorithm: str = "sha256", fresh: bool = False) -> Staged:
        """Begin, or continue what is there under this key (re-hashing it) unless `fresh`. Raises
        ValueError for a key that is not letters, digits and `._:-`, StoreError while it is open."""

    async def staged(self) -> Sequence[StagedInfo]: ...

    async def reserve(self, size: int, *, key: str | None = None) -> Reservation:
        """Raises NoSpaceError where quota or disk leave no room. What is appended to the staged
        content `key` is taken from it; without a key nothing is, until it is released."""

    async def make_durable(self, digest: Digest) -> bool:
        """Let a blob that a cache committed survive a power cut, before a mount of it is
        acknowledged. False where there is none."""

    async def quarantine(self, digest: Digest, reason: str) -> bool:
        """Set a blob aside whose bytes are wrong (verify). False where there is none."""

    async def delete(self, digest: Digest) -> int:
        """Bytes freed; 0 where there was none."""

    def walk(self) -> AsyncIterator[BlobInfo]: ...

    async def usage(self) -> Usage: ...

    async def close(self) -> None: ...


class TagRow(Struct, frozen=True, kw_only=True):
    """`checked` is when the upstream last confirmed it, `gone` since when it denies it (seconds
    since 1970)."""

    name: str
    digest: Digest
    media_type: str
    size: int
    checked: float
    gone: float | None = None


class UploadRow(Struct, frozen=True, kw_only=True):
    session: str
    repository: Repository
    started: float
    algorithm: str = "sha256"


class Kind(StrEnum):
    """What a `Change` is about."""

    TAG = "tag"
    MANIFEST = "manifest"
    BLOB = "blob"
    REFERRERS = "referrers"


class Change(Struct, frozen=True):
    """Something that in-memory caches hold may no longer be true. `key` is a tag or digest; that of
    a subject for REFERRERS."""

    kind: Kind
    repository: Repository
    key: str


class Hold(StrEnum):
    """Why content may not be collected for a time."""

    SERVED = "served"
    UPLOAD = "upload"
    FILL = "fill"


HOLD_FOR = {Hold.SERVED: 3600.0, Hold.UPLOAD: 86_400.0, Hold.FILL: 86_400.0}
"""Seconds. A fill lets go when it is over; its time is for those that die."""


class Metadata(Protocol):
    """Which repository shows what. `at` and `until` are seconds since 1970, given by the caller."""

    # manifests and tags
    async def manifest(self, repository: Repository, digest: Digest) -> Manifest | None:
        """The manifest, if this repository links it."""

    async def tag(self, repository: Repository, tag: str) -> TagRow | None: ...

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
        """In one transaction: content, link, references to blobs and children, and tags (`checked`
        = at, not gone). Raises ImmutableTagError where a tag that `immutable` names exists with
        another digest; nothing is stored then."""

    async def confirm_tag(self, repository: Repository, tag: str, *, at: float) -> None:
        """The upstream still says the same."""

    async def mark_gone(self, repository: Repository, tag: str, *, at: float) -> None: ...

    async def delete_tag(self, repository: Repository, tag: str) -> bool: ...

    async def delete_manifest(self, repository: Repository, digest: Digest) -> bool:
        """Unlink it here, with every tag of this repository that names it. Durable."""

    async def tags(self, repository: Repository, *, after: str, limit: int) -> Sequence[str]:
        """In ASCII order, those after `after`."""

    async def has_repository(self, repository: Repository) -> bool:
        """Whether anything is, or was, linked in it."""

    async def repositories(
        self, *, after: Repository | None, limit: int, upstream: str | None = None
    ) -> Sequence[Repository]:
        """Those that link a manifest, in order."""

    async def referrers(self, repository: Repository, subject: Digest) -> Sequence[Descriptor]:
        """Linked manifests with this subject: descriptors with artifact type and annotations."""

    # blobs
    async def link_blob(
        self, repository: Repository, digest: Digest, size: int, *, at: float, durable: bool
    ) -> None: ...

    async def blob(self, repository: Repository, digest: Digest) -> int | None:
        """The size, if this repository links the blob, or, in a mirrored repository, links a
        manifest that references it and does not call it non-distributable. The bytes need not be
        here then. (A pushed manifest proves nothing: its author may name what he cannot read.)"""

    async def unlink_blob(self, repository: Repository, digest: Digest) -> bool: ...

    async def blob_homes(self, digest: Digest, *, limit: int = 100) -> Sequence[Repository]:
        """Repositories that link it (for a mount without `from`)."""

    async def missing(self, repository: Repository, digests: Iterable[Digest]) -> Sequence[Digest]:
        """Those that are linked here neither as a blob nor as a manifest. Hold them first."""

    # uploads
    async def put_upload(self, upload: UploadRow) -> None: ...

    async def upload(self, session: str) -> UploadRow | None: ...

    async def delete_upload(self, session: str) -> bool: ...

    async def uploads(self) -> Sequence[UploadRow]: ...

    # use, space, replicas
    async def used(self, uses: Sequence[tuple[Repository, Digest]], *, at: float) -> None:
        """When manifests were last served, written in batches (eviction is by least recent use)."""

    async def hold(self, digests: Iterable[Digest], why: Hold, *, until: float) -> None:
        """Keep blobs and manifests from the sweep; a manifest holds all that it references, what
        comes later included. A longer hold is never shortened."""

    async def unhold(self, digests: Iterable[Digest], why: Hold) -> None:
        """Let go before the time (a download that failed or is linked by now), for all who hold it
        for this reason."""

    async def size_of(self, upstream: str, prefix: str) -> int:
        """Bytes of distinct blobs linked by repositories `prefix` and `prefix/…` of an upstream."""

    async def take_lease(self, name: str, owner: str, *, now: float, until: float) -> bool:
        """Whether `owner` now holds the lease `name` (a fill, the sweep): new, expired, its own."""

    async def release_lease(self, name: str, owner: str) -> None: ...

    # garbage: candidates are cheap to list; `forget` re-checks under the commit lock
    async def garbage(self, *, now: float, limit: int) -> Sequence[tuple[Digest, int]]:
        """Blobs and manifests that no repository reaches and nothing holds."""

    async def forget(self, digest: Digest, *, now: float) -> bool:
        """Drop its row if it is still garbage; True means that the blob's bytes may be deleted.
        Until `buried` is then called, `hold` of this digest waits, and `forget` says False."""

    async def buried(self, digest: Digest) -> None:
        """The bytes of what was forgotten are deleted."""

    async def condemn(self, digest: Digest, *, now: float) -> bool:
        """Keep everybody from committing it until `buried`, to look at its bytes and lose it if
        they are wrong. False while an upload or a fill holds it."""

    async def expire_links(
        self, *, before: float, now: float, limit: int, within: Repository | None = None
    ) -> int:
        """Unlink up to `limit` blobs that were linked before then, that no manifest of the same
        repository references and that nothing holds; how many. `within` one repository only."""

    async def collectable(self, *, before: float, now: float) -> tuple[int, Sequence[Digest]]:
        """What `expire_links` would drop now, counted, and what would be garbage without it."""

    async def lose_blob(self, digest: Digest) -> Sequence[Repository]:
        """The bytes turned out to be missing or wrong: drop row and links, so that they are fetched
        or pushed again. The repositories that reached it. Durable."""

    async def lose_manifest(self, digest: Digest) -> Sequence[Repository]:
        """The same for a manifest, tags included."""

    async def unknown(self, digests: Iterable[Digest]) -> Sequence[Digest]:
        """Those that have no row as a blob."""

    async def held_blobs(self, *, after: str, limit: int) -> Sequence[tuple[Digest, int]]:
        """Digests, in order, and sizes of the blobs that should be here."""

    async def held_manifests(self, *, after: str, limit: int) -> Sequence[Manifest]:
        """All that is stored, in order of digests (more than one where media types differ; they
        are never torn apart, so there may be more than `limit`)."""

    async def linked(self, repository: Repository, *, after: str, limit: int) -> Sequence[Digest]:
        """Manifests of a repository, in order."""

    async def tags_of(self, repository: Repository, digest: Digest) -> Sequence[str]:
        """Tags of this repository that name the manifest."""

    async def parents(self, repository: Repository, digest: Digest) -> Sequence[Digest]:
        """Indexes linked in this repository that list the manifest."""

    async def coldest(
        self, *, now: float, limit: int, pinned: Callable[[Repository, str], bool]
    ) -> Sequence[tuple[Repository, Digest]]:
        """Mirrored (never local) manifests in order of last use, without those held, pinned
        (`pinned(repository, tag or digest)`), or that are children of another that stays."""

    def subscribe(self, listener: Callable[[Change], None]) -> None:
        """Called on the event loop before the changing call returns. What was read before a change
        may arrive after it: a cache keeps what it reads only if no change came meanwhile."""

    def batch(self) -> AbstractAsyncContextManager[None]:
        """Writes inside become one transaction: all of it is seen by others, or nothing; what is
        read inside sees it. Other writers wait, so nothing slow belongs inside."""

    async def close(self) -> None: ...


class ImmutableTagError(Exception):
    """A tag may not be moved; `args[0]` is its name."""
