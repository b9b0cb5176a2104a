"""What takes space and what may go, over the state in memory."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import BACKUP
from homeport.mirror.store.memory.state import State
from homeport.oci.digest import Digest


class MemorySpace(ABC):
    """The part of `MemoryMetadata` that the sweep asks."""

    @abstractmethod
    def _now(self) -> State: ...

    async def size_of(self, upstream: str, prefix: str) -> int:
        state = self._now()

        def counts(home: Repository) -> bool:
            name = home.name
            return home.upstream == upstream and (
                not prefix or name == prefix or name.startswith(f"{prefix}/")
            )

        digests = {digest for home, digest in state.blob_links if counts(home)}
        for home in {home for home, _ in state.links if counts(home)}:
            digests.update(d.digest for m in state.of(home) for d in m.blobs)
        return sum(state.blobs.get(digest, 0) for digest in digests)

    async def garbage(self, *, now: float, limit: int) -> Sequence[tuple[Digest, int]]:
        found = self._garbage(self._now(), now)
        return [each for each, _ in zip(found, range(limit), strict=False)]

    @staticmethod
    def _garbage(state: State, now: float) -> Iterator[tuple[Digest, int]]:
        sizes = {
            digest: len(manifest.content)
            for (digest, media_type), manifest in state.manifests.items()
            if not _shown(state, digest, media_type)
        }
        sizes |= {d: size for d, size in state.blobs.items() if not state.reached(d)}
        return (each for each in sorted(sizes.items()) if not state.is_held(each[0], now))

    async def coldest(
        self, *, now: float, limit: int, pinned: Callable[[Repository, str], bool]
    ) -> Sequence[tuple[Repository, Digest]]:
        state = self._now()
        chosen: list[tuple[Repository, Digest]] = []
        mirrored = (each for each in state.links.items() if not each[0][0].is_local)
        for (home, digest), _ in sorted(mirrored, key=lambda each: (each[1].used, each[0])):
            if len(chosen) == limit:
                break
            names = [n for (h, n), row in state.tags.items() if h == home and row.digest == digest]
            parents = [
                each.digest
                for each in state.of(home)
                if any(child.digest == digest for child in each.manifests)
            ]
            if (
                all((home, parent) in chosen for parent in parents)
                and not any(pinned(home, name) for name in (*names, digest))
                and not state.is_held(digest, now)
            ):
                chosen.append((home, digest))
        return chosen

    @staticmethod
    def _forget(state: State, digest: Digest, now: float) -> bool:
        if state.leases.get(BACKUP, ("", 0.0))[1] > now or state.is_held(digest, now):
            return False
        for key in [key for key in state.manifests if key[0] == digest and not _shown(state, *key)]:
            del state.manifests[key]
        if state.reached(digest):
            return False
        state.blobs.pop(digest, None)
        for held in [key for key in state.holds if key[0] == digest]:
            del state.holds[held]
        return True

    @staticmethod
    def _expired(state: State, before: float, now: float) -> list[tuple[Repository, Digest]]:
        return sorted(
            (home, digest)
            for (home, digest), at in state.blob_links.items()
            if at < before
            and state.referenced(home, digest) is None
            and not state.is_held(digest, now)
        )


def _shown(state: State, digest: Digest, media_type: str) -> bool:
    """Whether a repository shows the manifest with this media type."""
    return any(
        linked == digest and link.media_type == media_type
        for (_, linked), link in state.links.items()
    )
