"""What immutable tags keep from being deleted: their manifest, and all that it references."""

from homeport.mirror.model.names import Repository
from homeport.mirror.push.namespaces import Namespaces
from homeport.mirror.store.api import Metadata
from homeport.oci.digest import Digest

_PAGE = 500


class Protection:
    def __init__(self, metadata: Metadata, namespaces: Namespaces) -> None:
        self._metadata = metadata
        self._namespaces = namespaces

    async def of_manifest(self, repository: Repository, digest: Digest) -> str | None:
        """An immutable tag of the manifest, or of an index that it is part of."""
        immutable = self._namespaces.immutable(repository)
        if immutable is None:
            return None
        seen: set[Digest] = set()
        todo = [digest]
        while todo:
            each = todo.pop()
            if each in seen:
                continue
            seen.add(each)
            for tag in await self._metadata.tags_of(repository, each):
                if immutable(tag):
                    return tag
            todo += await self._metadata.parents(repository, each)
        return None

    async def of_blob(self, repository: Repository, digest: Digest) -> str | None:
        """An immutable tag whose image needs the blob."""
        immutable = self._namespaces.immutable(repository)
        if immutable is None:
            return None
        after = ""
        while page := await self._metadata.tags(repository, after=after, limit=_PAGE):
            for tag in page:
                if immutable(tag) and await self._needs(repository, tag, digest):
                    return tag
            after = page[-1]
        return None

    async def _needs(self, repository: Repository, tag: str, blob: Digest) -> bool:
        row = await self._metadata.tag(repository, tag)
        seen: set[Digest] = set()
        todo = [] if row is None else [row.digest]
        while todo:
            each = todo.pop()
            if each in seen:
                continue
            seen.add(each)
            manifest = await self._metadata.manifest(repository, each)
            if manifest is None:
                continue
            if any(layer.digest == blob for layer in manifest.blobs):
                return True
            todo += [child.digest for child in manifest.manifests]
        return False
