"""Digests whose bytes are being deleted just now: whoever wants to keep one waits for the end."""

import asyncio
from collections.abc import Iterable

from homeport.oci.digest import Digest


class Burials:
    """The doomed of one process. `begin` comes before the store decides, so that a hold which comes
    after the decision finds the digest here, and one which comes before makes the store refuse."""

    def __init__(self) -> None:
        self._doomed: dict[Digest, asyncio.Event] = {}

    def begin(self, digest: Digest) -> bool:
        """False where somebody else is at it."""
        if digest in self._doomed:
            return False
        self._doomed[digest] = asyncio.Event()
        return True

    def end(self, digest: Digest) -> None:
        event = self._doomed.pop(digest, None)
        if event is not None:
            event.set()

    async def over(self, digests: Iterable[Digest]) -> None:
        """Wait until none of them is being deleted."""
        for digest in digests:
            while (event := self._doomed.get(digest)) is not None:
                await event.wait()
