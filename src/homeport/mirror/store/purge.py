"""Take one image out: a tag and what only it needs, or a whole repository."""

from collections.abc import Callable

from msgspec import Struct

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import Metadata
from homeport.oci.digest import Digest

BATCH = 256
DEPTH = 8
"""Indexes in indexes that are followed."""


class PurgeReport(Struct, frozen=True, kw_only=True):
    """What is no longer shown. The bytes go with the next collection, unless others show them, or
    they are held (were served within the hour, or pushed within the day)."""

    tags: tuple[str, ...]
    manifests: tuple[Digest, ...]


async def purge(
    metadata: Metadata,
    repository: Repository,
    reference: str | None = None,
    *,
    clock: Callable[[], float],
) -> PurgeReport:
    """`reference` is a tag or a digest; None means everything in the repository.

    A tag takes its manifest along only if no other tag names it and no index lists it; the same
    holds for the manifests that it lists. Referrers of what goes (signatures, SBOMs) go with it.
    """
    report = await _purge(metadata, repository, reference)
    now = clock()
    while await metadata.expire_links(before=now, now=now, limit=BATCH, within=repository):
        pass
    return report


async def _purge(metadata: Metadata, repository: Repository, reference: str | None) -> PurgeReport:
    if reference is None:
        return await _everything(metadata, repository)
    tags: list[str] = []
    if ":" in reference:
        digest = Digest(reference)
        tags += await metadata.tags_of(repository, digest)
    else:
        row = await metadata.tag(repository, reference)
        if row is None or not await metadata.delete_tag(repository, reference):
            return PurgeReport(tags=(), manifests=())
        digest = row.digest
        tags.append(reference)
        if await _needed(metadata, repository, digest):
            return PurgeReport(tags=tuple(tags), manifests=())
    manifests: list[Digest] = []
    await _remove(metadata, repository, digest, manifests, DEPTH)
    return PurgeReport(tags=tuple(tags), manifests=tuple(manifests))


async def _everything(metadata: Metadata, repository: Repository) -> PurgeReport:
    tags: list[str] = []
    while more := await metadata.tags(repository, after=tags[-1] if tags else "", limit=BATCH):
        tags += more
    manifests: list[Digest] = []
    while more_digests := await metadata.linked(repository, after="", limit=BATCH):
        for digest in more_digests:
            await metadata.delete_manifest(repository, digest)
            manifests.append(digest)
    return PurgeReport(tags=tuple(tags), manifests=tuple(manifests))


async def _needed(metadata: Metadata, repository: Repository, digest: Digest) -> bool:
    return bool(
        await metadata.tags_of(repository, digest) or await metadata.parents(repository, digest)
    )


async def _remove(
    metadata: Metadata,
    repository: Repository,
    digest: Digest,
    removed: list[Digest],
    depth: int,
) -> None:
    manifest = await metadata.manifest(repository, digest)
    if manifest is None:
        return
    referrers = await metadata.referrers(repository, digest)
    await metadata.delete_manifest(repository, digest)
    removed.append(digest)
    if depth == 0:
        return
    for each in (*manifest.manifests, *referrers):
        if not await _needed(metadata, repository, each.digest):
            await _remove(metadata, repository, each.digest, removed, depth - 1)
