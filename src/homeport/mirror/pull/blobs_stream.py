"""The ways on which a blob's bytes reach a client that does not get them from a finished file."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec.structs import replace

from homeport.mirror.bandwidth.api import Flow
from homeport.mirror.errors import CutError, RegistryError
from homeport.mirror.model.exchange import Reply
from homeport.mirror.model.record import Cache, Outcome
from homeport.mirror.pull.blobs_through import Through, Throughs
from homeport.mirror.pull.fill import Fill
from homeport.mirror.pull.fill_content import Content, Reader, SpilledError, State
from homeport.mirror.store.api import OpenBlob
from homeport.oci.digest import Digest, Hash, algorithm_of, start_hash
from homeport.remote.errors import RemoteError

UNLIMITED = 1 << 62


class Way(Protocol):
    """`read` gives the next bytes, b"" at the end, or raises CutError."""

    async def read(self) -> bytes: ...

    async def close(self) -> None: ...


class FromStore:
    """A range of a blob that is here, where the store has no file of it."""

    def __init__(self, blob: OpenBlob, start: int, stop: int, piece: int) -> None:
        self._blob = blob
        self._position = start
        self._stop = stop
        self._piece = piece

    async def read(self) -> bytes:
        wanted = min(self._piece, self._stop - self._position)
        data = await self._blob.read(self._position, wanted) if wanted else b""
        self._position += len(data)
        return data

    async def close(self) -> None:
        self._blob.close()


class FromFill:
    """What a fill has, as it comes; through the upstream where the fill is spilled."""

    def __init__(
        self,
        fill: Fill,
        content: Content,
        throughs: Throughs,
        *,
        start: int,
        stop: int | None,
        owner: str,
        spilled: Callable[[], None],
    ) -> None:
        self._fill = fill
        self._content = content
        self._throughs = throughs
        self._stop = stop
        self._owner = owner
        self._spilled = spilled
        self._reader = Reader(start)
        self._through: Through | None = None
        content.readers.add(self._reader)

    async def read(self) -> bytes:
        if self._through is not None:
            return await self._through.read()
        reader = self._reader
        wanted = UNLIMITED if self._stop is None else self._stop - reader.position
        if wanted <= 0:
            return b""
        try:
            piece = await self._content.read(reader.position, wanted)
        except SpilledError:
            self._through = await self._go_on()
            return await self._through.read()
        reader.position += len(piece)
        return piece

    async def _go_on(self) -> Through:
        await self._content.released.wait()
        self._spilled()
        reader, size = self._reader, self._content.size
        ends = self._stop is None or self._stop == size
        if ends and reader.prefix is None:
            raise CutError("the store failed, and the rest cannot be verified")
        try:
            return await self._throughs.open(
                self._fill.digest,
                self._fill.origins,
                start=reader.position,
                stop=None if ends else self._stop,
                hint=size,
                prefix=reader.prefix if ends else None,
                avoid=self._fill.avoid,
                owner=self._owner,
            )
        except (RemoteError, RegistryError) as error:
            raise CutError(str(error)) from error

    async def close(self) -> None:
        self._content.readers.discard(self._reader)
        if self._through is not None:
            await self._through.close()
        await self._fill.leave()


class FarAhead:
    """A range far beyond what a fill has: from the upstream at once.

    If the range includes the end of the blob, the last bytes wait for the fill, and are sent only
    if what came before equals the verified blob.
    """

    def __init__(
        self, fill: Fill, content: Content, through: Through, *, start: int, tail: int, stop: int
    ) -> None:
        """The way through leads from `start` to `tail`; the rest up to `stop` is the fill's."""
        self._fill = fill
        self._content = content
        self._through = through
        self._start = start
        self._tail = tail
        self._stop = stop
        self._position = start
        self._hash = start_hash(algorithm_of(fill.digest))

    async def read(self) -> bytes:
        if self._position < self._tail:
            piece = await self._through.read()
            if not piece:
                raise CutError("the upstream ended before its end")
            if self._tail < self._stop:
                self._hash.update(piece)
        elif self._position < self._stop:
            if self._position == self._tail:
                await self._through.close()
                await self._compare(self._hash)
            piece = await self._content.read(self._position, self._stop - self._position)
        else:
            return b""
        self._position += len(piece)
        return piece

    async def _compare(self, sent: Hash) -> None:
        """Whether what was sent through is what the verified blob has there."""
        if await self._content.settled() is not State.VERIFIED:
            raise CutError("the rest cannot be verified: the fill has ended")
        right, position = start_hash(algorithm_of(self._fill.digest)), self._start
        while position < self._tail:
            piece = await self._content.read(position, self._tail - position)
            if not piece:
                break
            right.update(piece)
            position += len(piece)
        if right.hexdigest() != sent.hexdigest():
            raise CutError(f"{self._fill.digest}: the bytes that came are wrong")

    async def close(self) -> None:
        await self._through.close()
        await self._fill.leave()


class Stream:
    """The body of an answer: what a way gives, no byte more or less than was promised."""

    def __init__(self, way: Way, length: int | None, flow: Flow | None) -> None:
        self._way = way
        self._left = length
        self._flow = flow
        self._closed = False
        self.reply: Reply | None = None
        """Whose outcome tells the audit why the answer was cut."""

    @property
    def pace(self) -> Callable[[int], Awaitable[None]] | None:
        return None if self._flow is None else self._flow.take

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        if self._left == 0:
            raise StopAsyncIteration
        try:
            return await self._next()
        except CutError as error:
            if self.reply is not None and self.reply.outcome is not None:
                self.reply.outcome = replace(self.reply.outcome, detail=str(error)[:300])
            raise

    async def _next(self) -> bytes:
        piece = await self._way.read()
        if self._left is None:
            if not piece:
                raise StopAsyncIteration
            return piece
        if not piece or len(piece) > self._left:
            raise CutError("the content has not the promised length")
        self._left -= len(piece)
        return piece

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._flow is not None:
            self._flow.close()
        await self._way.close()


def went_through(reply: Reply, digest: Digest) -> None:
    """Say so in the audit: part of the answer did not come from the store."""
    outcome = reply.outcome or Outcome(digest=digest)
    reply.outcome = replace(outcome, cache=Cache.THROUGH)
