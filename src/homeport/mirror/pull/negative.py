"""What an upstream truly does not have, remembered for a minute."""

from homeport.mirror.model.names import Repository
from homeport.mirror.pull.freshness import without_frames
from homeport.remote.errors import RemoteError

MAX_ENTRIES = 10_000


class Negatives:
    """True 404s by repository and reference. Bounded: the oldest goes first, so that a client which
    asks for made-up names only makes the mirror forget that they do not exist."""

    def __init__(self, limit: int = MAX_ENTRIES) -> None:
        self._limit = limit
        self._known: dict[tuple[Repository, str], tuple[float, RemoteError]] = {}

    def of(self, repository: Repository, reference: str, now: float) -> RemoteError | None:
        key = (repository, reference)
        found = self._known.get(key)
        if found is None:
            return None
        if found[0] <= now:
            del self._known[key]
            return None
        return found[1]

    def note(
        self, repository: Repository, reference: str, error: RemoteError, *, until: float
    ) -> None:
        key = (repository, reference)
        self._known.pop(key, None)
        while len(self._known) >= self._limit:
            del self._known[next(iter(self._known))]
        self._known[key] = (until, without_frames(error))

    def clear(self, repository: Repository, reference: str) -> None:
        """It is there now: a push, or a fetch in another process."""
        self._known.pop((repository, reference), None)

    def __len__(self) -> int:
        return len(self._known)
