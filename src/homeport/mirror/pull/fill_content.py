"""What has come of a blob so far, shared by the one that appends and the many that read."""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum

from homeport.mirror.errors import CutError
from homeport.mirror.pull.fill_policy import FillPolicy
from homeport.mirror.store.api import Staged, StoreError
from homeport.oci.digest import Hash, start_hash

_HASHED_AT_ONCE = 1024**2
_HASHED_INLINE = 64 * 1024


class State(Enum):
    """WAITING: for an upstream's answer. OPEN: growing. VERIFIED: all is here and right. The others
    are ends, too: CUT (`error` says why), SPILLED (nobody stores it; go through), PRESENT (it is in
    the store already)."""

    WAITING = "waiting"
    OPEN = "open"
    VERIFIED = "verified"
    CUT = "cut"
    SPILLED = "spilled"
    PRESENT = "present"


class SpilledError(Exception):
    """What was here is dropped, because the store took no more; go on through."""


class Reader:
    """One client's place in the content. After a spill, `prefix` is the running hash of the blob up
    to `position`."""

    __slots__ = ("position", "prefix")

    def __init__(self, position: int) -> None:
        self.position = position
        self.prefix: Hash | None = None


class Content:
    """One attempt at one blob. Reading never waits for another reader, and holds nothing for it:
    bytes come from the last pieces, which all readers share, or from the store."""

    def __init__(self, policy: FillPolicy, recent_limit: Callable[[], int]) -> None:
        self.state = State.WAITING
        self.size: int | None = None
        """Of the whole blob, where it is known."""
        self.end = 0
        """Bytes that are here."""
        self.source: str | None = None
        self.error: Exception | None = None
        self.readers: set[Reader] = set()
        self.released = asyncio.Event()
        """After a spill: every reader has its prefix, and the space is given back."""
        self._policy = policy
        self._recent_limit = recent_limit
        self._staged: Staged | None = None
        self._recent: deque[tuple[int, bytes]] = deque()
        self._recent_size = 0
        self._blocks: dict[int, bytes] = {}
        self._changed = asyncio.Event()
        self._reading = 0

    # the side that appends
    def begin(self, staged: Staged) -> None:
        self._staged = staged
        self.end = staged.size

    def open(self, size: int | None, source: str | None) -> None:
        """An upstream has answered, or all is here already."""
        self.size, self.source = size, source
        self._turn(State.OPEN)

    def grown(self, piece: bytes) -> None:
        """The store has taken these bytes."""
        self._recent.append((self.end, piece))
        self._recent_size += len(piece)
        self.end += len(piece)
        limit = self._recent_limit()
        while self._recent_size > limit and len(self._recent) > 1:
            self._recent_size -= len(self._recent.popleft()[1])
        self._wake()

    def finish(self) -> None:
        """All is here, and is what the digest says. Whoever was promised another size is cut."""
        if self.size is not None and self.size != self.end:
            self.cut(CutError(f"the blob has {self.end} bytes, not {self.size}"))
            return
        self.size = self.end
        self._turn(State.VERIFIED)

    def cut(self, error: Exception) -> None:
        self.error = error
        self._turn(State.CUT)

    def spill(self) -> None:
        self._turn(State.SPILLED)

    def present(self) -> None:
        self._turn(State.PRESENT)

    async def idle(self) -> None:
        """Wait until nobody is reading from the store just now. Call it after an end."""
        while self._reading:
            await self._changed.wait()

    async def hash_prefixes(self, algorithm: str) -> None:
        """One pass over what is here gives each reader the hash of what comes before it, so that
        what it gets through can be verified. Raises StoreError."""
        if self._staged is None:
            raise StoreError("nothing was staged")
        running, position = start_hash(algorithm), 0
        for reader in sorted(self.readers, key=lambda each: each.position):
            while position < reader.position:
                wanted = min(_HASHED_AT_ONCE, reader.position - position)
                data = await self._staged.read(position, wanted)
                if not data:
                    raise StoreError(f"{self._staged.key} has lost what was appended")
                if len(data) < _HASHED_INLINE:
                    running.update(data)
                else:
                    await asyncio.to_thread(running.update, data)
                position += len(data)
            reader.prefix = running.copy()

    def lose(self) -> None:
        """The store has it no longer; call it after an end."""
        self._staged = None
        self._forget()

    async def close(self) -> None:
        """Nobody reads any more."""
        self._forget()
        if self._staged is not None:
            staged, self._staged = self._staged, None
            await staged.close()

    # the side that reads
    @property
    def visible(self) -> int:
        """How far clients may read: not into the end of the blob before it is verified."""
        if self.state is State.VERIFIED:
            return self.end
        known = self.end if self.size is None else self.size
        return max(0, min(self.end, known - self._policy.withheld))

    async def opened(self) -> State:
        """Wait while WAITING."""
        while self.state is State.WAITING:
            await self._changed.wait()
        return self.state

    async def settled(self) -> State:
        """Wait for the end."""
        while self.state in (State.WAITING, State.OPEN):
            await self._changed.wait()
        return self.state

    async def read(self, position: int, length: int) -> bytes:
        """Up to `length` bytes from `position` as soon as there are any; b"" at the verified end.

        Raises CutError, or SpilledError.
        """
        while True:
            self._raise()
            ready = min(length, self.visible - position)
            if ready > 0:
                return self._find(position, ready) or await self._fetch(position, ready)
            if self.state is State.VERIFIED:
                return b""
            await self._changed.wait()

    def _find(self, position: int, length: int) -> bytes | None:
        """From memory: a whole piece is handed on without a copy."""
        for start, piece in reversed(self._recent):
            if start <= position:
                begin = position - start
                if begin >= len(piece):
                    return None
                if begin == 0 and length >= len(piece):
                    return piece
                return piece[begin : begin + length]
        return None

    async def _fetch(self, position: int, length: int) -> bytes:
        """From the store, by aligned blocks, the last of which are kept: clients that lag do so
        together, and read the same."""
        block = self._policy.piece
        start = position - position % block
        if start + block > self.end:
            return await self._load(position, min(length, block))
        data = self._blocks.get(start)
        if data is None:
            data = await self._load(start, block)
            self._keep_block(start, data)
        begin = position - start
        if begin >= len(data):  # the store gave less
            return await self._load(position, min(length, block))
        return data[begin : begin + min(length, self._policy.share)]

    def _keep_block(self, start: int, data: bytes) -> None:
        if self._staged is None:
            return
        self._blocks[start] = data
        most = max(1, self._recent_limit() // self._policy.piece)
        while len(self._blocks) > most:
            del self._blocks[next(iter(self._blocks))]

    async def _load(self, position: int, length: int) -> bytes:
        if self._staged is None:
            raise CutError("the content is gone")
        self._reading += 1
        try:
            data = await self._staged.read(position, length)
        except StoreError as error:
            self._raise()
            raise CutError(f"the store failed: {error}") from error
        finally:
            self._reading -= 1
            if self.state not in (State.WAITING, State.OPEN):
                self._wake()
        self._raise()
        if not data:
            raise CutError("the store has lost what was appended")
        return data

    def _raise(self) -> None:
        if self.state is State.SPILLED:
            raise SpilledError
        if self.state is State.CUT:
            raise CutError(str(self.error))

    def _turn(self, state: State) -> None:
        self.state = state
        self._wake()

    def _forget(self) -> None:
        self._recent.clear()
        self._recent_size = 0
        self._blocks.clear()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
