"""Writing what comes while more comes."""

import asyncio
from collections import deque
from collections.abc import Callable

from homeport.mirror.store.api import Staged


class Appender:
    """Appends chunks in order, while the caller fetches the next ones.

    What came during one write goes into the next, up to about `batch` bytes: the first ones are
    passed on at once, and a fast upstream costs few, large writes. `appended` is called with each
    piece that the store has taken.
    """

    def __init__(
        self,
        staged: Staged,
        appended: Callable[[bytes], None],
        *,
        batch: int,
        most_pending: Callable[[], int],
    ) -> None:
        self._staged = staged
        self._appended = appended
        self._batch = batch
        self._most = most_pending
        self._pending: deque[bytes] = deque()
        self._size = 0
        self._writing: asyncio.Task[None] | None = None

    async def put(self, chunk: bytes) -> None:
        """Raises what an earlier write raised. Waits while too much is pending."""
        self._raise()
        self._pending.append(chunk)
        self._size += len(chunk)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        if self._size > self._most():
            await self.flush()

    async def flush(self) -> None:
        """Return when everything is written."""
        if self._writing is not None:
            await asyncio.wait((self._writing,))
            self._raise()

    async def stop(self) -> None:
        """Let the write that is under way end, and forget the rest."""
        self._pending.clear()
        if self._writing is not None:
            await asyncio.wait((self._writing,))
            if not self._writing.cancelled():
                self._writing.exception()

    def _raise(self) -> None:
        if self._writing is not None and self._writing.done():
            writing, self._writing = self._writing, None
            writing.result()

    async def _write(self) -> None:
        while self._pending:
            batch = self._take()
            await self._staged.append(batch)
            self._appended(batch)

    def _take(self) -> bytes:
        chunks = [self._pending.popleft()]
        size = len(chunks[0])
        while self._pending and size + len(self._pending[0]) <= self._batch:
            chunks.append(self._pending.popleft())
            size += len(chunks[-1])
        self._size -= size
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)
