"""What the configured namespaces allow: quotas and immutable tags."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from homeport.lib.glob import any_glob
from homeport.mirror.model.config import NamespaceConfig
from homeport.mirror.model.names import LOCAL, Repository
from homeport.mirror.push import refusal
from homeport.mirror.store.api import Metadata
from homeport.oci.digest import Digest


class Namespaces:
    """The configured namespaces, and how full they are."""

    def __init__(self, configs: Mapping[str, NamespaceConfig], metadata: Metadata) -> None:
        self._configs = configs
        self._metadata = metadata
        self._locks: dict[str, asyncio.Lock] = {}

    def replace(self, configs: Mapping[str, NamespaceConfig]) -> None:
        """New settings; requests under way may still be judged by the old ones."""
        self._configs = configs

    def of(self, repository: Repository) -> NamespaceConfig | None:
        """The namespace of a pushed repository, None for an overlay; raises 403 where nothing is
        configured for the name."""
        if repository.is_overlay:
            return None
        parts = repository.name.split("/")
        for count in range(len(parts), 0, -1):
            config = self._configs.get("/".join(parts[:count]))
            if config is not None:
                return config
        raise refusal.unknown_namespace(repository.name)

    def immutable(self, repository: Repository) -> Callable[[str], bool] | None:
        """Tells the immutable tags of a repository; None where there can be none."""
        config = self.of(repository)
        if config is None or not config.immutable_tags:
            return None
        return any_glob(config.immutable_tags)

    async def room(self, repository: Repository) -> int | None:
        """The bytes that the quota still allows; None where there is no quota."""
        config = self.of(repository)
        if config is None or config.quota is None:
            return None
        return max(0, config.quota - await self._metadata.size_of(LOCAL, config.name))

    def over(self, repository: Repository) -> Exception:
        """The refusal for more than `room`."""
        config = self.of(repository)
        if config is None or config.quota is None:
            raise ValueError(f"{repository} has no quota")
        return refusal.over_quota(config.name, config.quota)

    def like(self, repository: Repository) -> Callable[[Repository], bool]:
        """Tells the repositories of the same namespace."""
        config = self.of(repository)
        return lambda other: config is not None and _is_under(config.name, other)

    @asynccontextmanager
    async def admit(self, repository: Repository, digest: Digest, size: int) -> AsyncIterator[None]:
        """Link the blob inside: two that fit alone but not together are not both let in. What the
        namespace has already counts once, so it is always let in."""
        config = self.of(repository)
        if config is None or config.quota is None:
            yield
            return
        async with self._locks.setdefault(config.name, asyncio.Lock()):
            room = await self.room(repository)
            if room is not None and size > room and not await self._holds(config.name, digest):
                raise refusal.over_quota(config.name, config.quota)
            yield

    async def _holds(self, namespace: str, digest: Digest) -> bool:
        homes = await self._metadata.blob_homes(digest)
        return any(_is_under(namespace, home) for home in homes)


def _is_under(namespace: str, repository: Repository) -> bool:
    return repository.is_local and f"{repository.name}/".startswith(f"{namespace}/")
