"""The audit as `flow` sees it."""

from typing import Protocol

from homeport.mirror.model.record import Record


class Audit(Protocol):
    def write(self, record: Record) -> None:
        """Queue it (at most 25 µs of CPU); flushed within 200 ms or 256 records."""

    async def write_durably(self, record: Record) -> None:
        """Return when it is on the disk: denials, pushes, deletes, administration."""

    async def room(self) -> None:
        """Wait for room in the queue, where overflow is `block`; returns at once otherwise."""

    async def close(self) -> None: ...
