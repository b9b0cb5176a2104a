"""The bytes of one blob from its upstreams, whatever happens on the way."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress

from homeport.mirror.bandwidth.api import Flow
from homeport.mirror.errors import DigestMismatchError, RegistryError
from homeport.mirror.model.names import Repository
from homeport.mirror.pull.fill_policy import Means, Origin
from homeport.mirror.upstream.api import Upstream
from homeport.oci.digest import Digest
from homeport.remote.errors import (
    BusyError,
    CutError,
    DeniedError,
    FailedError,
    ForbiddenTargetError,
    NotFoundError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)

_FINAL = (NotFoundError, DeniedError, ForbiddenTargetError)
_FINAL_WHEN_COLD = (BusyError, TimedOutError, UnreachableError)


class BeyondError(Exception):
    """The upstream says that the blob ends where the download should go on, or before."""


class NoRangesError(Exception):
    """The upstream would send more from the beginning than it is worth to skip."""


class Download:
    """Bytes from `start` up to but without `stop` (None: the end), in order and without gaps.

    After a cut it asks again from where it is: the upstream's own chain first, then the next of
    `origins` (a live list). An upstream that ignores Range begins at 0, and what is here already is
    skipped; more than `skippable` bytes are not. Attempts without progress are bounded, with pauses
    in between. `errors` is why each origin was given up, `sources` who contributed, in order.
    """

    def __init__(
        self,
        digest: Digest,
        origins: Sequence[Origin],
        means: Means,
        *,
        start: int = 0,
        stop: int | None = None,
        hint: int | None = None,
        avoid: frozenset[str] = frozenset(),
        skippable: int | None = None,
        owner: str = "",
        address: str = "",
    ) -> None:
        """`owner` is whose turn it is in the upstream's queue, `address` in its bandwidth."""
        self.position = start
        self.size: int | None = None
        self.sources: list[str] = []
        self.errors: dict[Repository, RemoteError] = {}
        self._digest = digest
        self._origins = origins
        self._means = means
        self._start = start
        self._stop = stop
        self._hint = hint
        self._avoid = avoid
        self._skippable = skippable
        self._owner = owner
        self._address = address
        self._turn = 0
        self._late: frozenset[str] = frozenset()
        self._failures = 0
        self._marked = start
        self._skip = 0
        self._stack = AsyncExitStack()
        self._chunks: AsyncIterator[bytes] | None = None
        self._flow: Flow | None = None

    @property
    def source(self) -> str | None:
        """The host that answers."""
        return self.sources[-1] if self.sources else None

    async def open(self) -> None:
        """Return when an upstream has answered; `size` is then what it said."""
        if self._chunks is None:
            await self._connect()

    async def read(self) -> bytes:
        """The next bytes, b"" at the end. Raises RemoteError where nobody goes on."""
        while True:
            chunks = self._chunks or await self._connect()
            try:
                chunk = await anext(chunks, None)
            except RemoteError as error:
                if isinstance(error, TimedOutError) and self.source is not None:
                    self._late |= {self.source}
                await self._failed(error)
                continue
            if chunk is None:
                if self._is_complete():
                    return b""
                await self._failed(
                    CutError("the transfer ended before its end", host=self.source or "")
                )
                continue
            kept = self._keep(chunk)
            self._means.counts.received += len(chunk)
            if self._flow is not None:
                await self._flow.take(len(chunk))
            if kept:
                return kept

    async def close(self) -> None:
        chunks, self._chunks = self._chunks, None
        if self._flow is not None:
            self._flow.close()
            self._flow = None
        stack, self._stack = self._stack, AsyncExitStack()
        if isinstance(chunks, AsyncGenerator):
            stack.push_async_callback(chunks.aclose)
        with suppress(RemoteError):
            await stack.aclose()

    def _keep(self, chunk: bytes) -> bytes:
        """What of a chunk is new and wanted."""
        if self._skip:
            skipped = min(self._skip, len(chunk))
            self._skip -= skipped
            chunk = chunk[skipped:]
        if self._stop is not None:
            chunk = chunk[: max(0, self._stop - self.position)]
        self.position += len(chunk)
        if self.size is not None and self.position > self.size:
            raise DigestMismatchError(
                f"{self.source} sends more than the {self.size} bytes it said"
            )
        if self.position > self._means.policy.largest:
            raise FailedError(
                f"the blob is larger than {self._means.policy.largest} bytes",
                host=self.source or "",
            )
        return chunk

    def _is_complete(self) -> bool:
        ends = [end for end in (self._stop, self.size) if end is not None]
        if ends:
            return self.position >= min(ends)
        return self._hint is None or self.position >= self._hint

    async def _connect(self) -> AsyncIterator[bytes]:
        while True:
            origin = self._origins[self._turn]
            stack = AsyncExitStack()
            try:
                upstream = _upstream(origin)
                stream = await stack.enter_async_context(
                    upstream.open_blob(
                        origin.repository.name,
                        self._digest,
                        start=self.position,
                        stop=self._stop,
                        avoid=self._avoid,
                        late=self._late,
                        owner=self._owner,
                    )
                )
            except RemoteError as error:
                await self._failed(error)
                continue
            self._stack = stack
            try:
                self._accept(stream.start, stream.size, stream.source)
            except RemoteError as error:
                await self._failed(error)
                continue
            except BaseException:
                await self.close()
                raise
            if stream.source not in self.sources[-1:]:
                self.sources.append(stream.source)
            self._flow = self._means.shaper.download(upstream.name, self._address)
            self._chunks = stream.chunks()
            return self._chunks

    def _accept(self, start: int, size: int | None, source: str) -> None:
        """Whether what an upstream begins with fits to what is here."""
        if start > self.position:
            raise FailedError("the upstream answers with a later range", host=source)
        if size is not None:
            if self.size is not None and size != self.size:
                raise FailedError(f"the upstreams say {self.size} and {size} bytes", host=source)
            if size > self._means.policy.largest:
                raise FailedError(f"the blob is too large: {size} bytes", host=source)
            if self.position > size:
                raise BeyondError
            self.size = size
        self._skip = self.position - start
        if self._skippable is not None and self._skip > self._skippable:
            raise NoRangesError

    async def _failed(self, error: RemoteError) -> None:
        """Wait for the next attempt, turn to the next origin, or raise the error."""
        await self.close()
        policy = self._means.policy
        if self.position - self._marked >= policy.progress:
            self._failures, self._marked = 0, self.position
        self._failures += 1
        if error.status == 416 and self.position > 0:
            raise BeyondError from error
        began = self.position > self._start
        over = self._failures >= (policy.attempts if began else policy.cold_attempts)
        if over or isinstance(error, _FINAL if began else _FINAL + _FINAL_WHEN_COLD):
            self.errors[self._origins[self._turn].repository] = error
            if self._turn + 1 >= len(self._origins):
                raise error
            self._turn += 1
            self._failures, self._marked = 0, self.position
            return
        self._means.counts.resumed += 1
        await self._means.sleep(self._pause(error))

    def _pause(self, error: RemoteError) -> float:
        policy = self._means.policy
        pause = min(policy.first_pause * 2.0 ** (self._failures - 1), policy.longest_pause)
        if isinstance(error, BusyError) and error.retry_after is not None:
            return max(pause, min(error.retry_after, policy.longest_busy))
        return pause


def _upstream(origin: Origin) -> Upstream:
    try:
        return origin.upstream
    except RegistryError as error:
        raise DeniedError(error.message) from error
