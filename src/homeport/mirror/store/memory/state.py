"""What `MemoryMetadata` knows, as plain dictionaries, and what follows from it."""

from collections.abc import Iterator

from msgspec import Struct, field

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import Hold, TagRow, UploadRow
from homeport.oci.digest import Digest
from homeport.oci.manifest import Descriptor, Manifest
from homeport.oci.media_type import is_distributable


class Link(Struct, frozen=True):
    """That a repository shows a manifest, and when it was last served."""

    media_type: str
    used: float


class State(Struct):
    """One version of everything. A batch works on a copy, and is kept or thrown away."""

    repositories: set[Repository] = field(default_factory=set)
    manifests: dict[tuple[Digest, str], Manifest] = field(default_factory=dict)
    links: dict[tuple[Repository, Digest], Link] = field(default_factory=dict)
    tags: dict[tuple[Repository, str], TagRow] = field(default_factory=dict)
    blobs: dict[Digest, int] = field(default_factory=dict)
    blob_links: dict[tuple[Repository, Digest], float] = field(default_factory=dict)
    uploads: dict[str, UploadRow] = field(default_factory=dict)
    holds: dict[tuple[Digest, Hold], float] = field(default_factory=dict)
    leases: dict[str, tuple[str, float]] = field(default_factory=dict)

    def copy(self) -> "State":
        return State(
            repositories=set(self.repositories),
            manifests=dict(self.manifests),
            links=dict(self.links),
            tags=dict(self.tags),
            blobs=dict(self.blobs),
            blob_links=dict(self.blob_links),
            uploads=dict(self.uploads),
            holds=dict(self.holds),
            leases=dict(self.leases),
        )

    def manifest(self, repository: Repository, digest: Digest) -> Manifest | None:
        link = self.links.get((repository, digest))
        return None if link is None else self.manifests[digest, link.media_type]

    def of(self, repository: Repository) -> Iterator[Manifest]:
        """The manifests that a repository links."""
        for (home, digest), link in self.links.items():
            if home == repository:
                yield self.manifests[digest, link.media_type]

    def referenced(self, repository: Repository, digest: Digest) -> Descriptor | None:
        """How a manifest of the repository references the blob."""
        found = (d for m in self.of(repository) for d in m.blobs if d.digest == digest)
        return next(found, None)

    def proven(self, repository: Repository, digest: Digest) -> int | None:
        """`Metadata.blob`."""
        if (repository, digest) in self.blob_links:
            return self.blobs.get(digest)
        if repository.is_local:
            return None
        for manifest in self.of(repository):
            for each in manifest.blobs:
                if each.digest == digest and is_distributable(each.media_type):
                    return self.blobs.get(digest, each.size)
        return None

    def reached(self, digest: Digest) -> bool:
        """Whether a repository links it as a blob, or a linked manifest references it."""
        return any(linked == digest for _, linked in self.blob_links) or any(
            each.digest == digest
            for (_, named), link in self.links.items()
            for each in self.manifests[named, link.media_type].blobs
        )

    def is_held(self, digest: Digest, now: float) -> bool:
        """Whether it is held, or anything that references it, however far up."""
        seen: set[Digest] = set()
        todo = [digest]
        while todo:
            each = todo.pop()
            if each in seen:
                continue
            seen.add(each)
            todo += [
                parent
                for (parent, _), manifest in self.manifests.items()
                if any(d.digest == each for d in (*manifest.blobs, *manifest.manifests))
            ]
        return any(held in seen and until > now for (held, _), until in self.holds.items())
