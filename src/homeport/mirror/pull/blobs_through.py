"""A client's own way to the upstream, past the store: where there is no space, and far ahead."""

import asyncio
from collections import deque
from collections.abc import Sequence

from homeport.mirror.errors import CutError, DigestMismatchError, RegistryError
from homeport.mirror.pull.fill_download import BeyondError, Download, NoRangesError
from homeport.mirror.pull.fill_policy import Means, Origin
from homeport.oci.digest import Digest, Hash, hex_of
from homeport.oci.error_code import ErrorCode
from homeport.remote.errors import FailedError, RemoteError


class Through:
    """Bytes of a blob from an upstream to one client.

    With `prefix`, the running hash of all that comes before, the last bytes are withheld until the
    digest is found right. Without it the end of the blob must not be among what is asked for.
    """

    def __init__(
        self,
        digest: Digest,
        download: Download,
        slots: asyncio.Semaphore,
        *,
        prefix: Hash | None,
        withheld: int,
    ) -> None:
        self.download = download
        self._digest = digest
        self._slots: asyncio.Semaphore | None = slots
        self._hash = prefix
        self._withheld = withheld
        self._line: deque[bytes] = deque()
        self._waiting = 0
        self._ended = False

    async def read(self) -> bytes:
        """The next bytes, b"" at the end. Raises CutError where it cannot be reached."""
        while True:
            if self._line and (self._ended or self._waiting - len(self._line[0]) >= self._withheld):
                self._waiting -= len(self._line[0])
                return self._line.popleft()
            if self._ended:
                return b""
            try:
                chunk = await self.download.read()
            except (RemoteError, DigestMismatchError) as error:
                raise CutError(str(error)) from error
            except (BeyondError, NoRangesError) as error:
                raise CutError("the upstream no longer has the rest") from error
            if self._hash is None:
                return chunk
            if chunk:
                self._hash.update(chunk)
                self._line.append(chunk)
                self._waiting += len(chunk)
            elif self._hash.hexdigest() == hex_of(self._digest):
                self._ended = True
            else:
                raise CutError(f"{self._digest}: the bytes that came are wrong")

    async def close(self) -> None:
        self._line.clear()
        await self.download.close()
        if self._slots is not None:
            self._slots.release()
            self._slots = None


class Throughs:
    """Opens them, and lets only so many run at once."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._slots = asyncio.Semaphore(means.policy.throughs)

    @property
    def is_full(self) -> bool:
        return self._slots.locked()

    async def open(
        self,
        digest: Digest,
        origins: Sequence[Origin],
        *,
        start: int = 0,
        stop: int | None = None,
        hint: int | None = None,
        prefix: Hash | None = None,
        avoid: frozenset[str] = frozenset(),
        skippable: int | None = None,
        owner: str = "",
    ) -> Through:
        """Return when an upstream has answered. Raises RemoteError, NoRangesError (see
        `skippable`), or RegistryError where no turn comes in time."""
        try:
            async with asyncio.timeout(self._means.policy.through_wait):
                await self._slots.acquire()
        except TimeoutError:
            raise RegistryError(
                ErrorCode.TOOMANYREQUESTS,
                "too many blobs are passed on without being stored",
                headers={"Retry-After": "10"},
            ) from None
        download = Download(
            digest,
            origins,
            self._means,
            start=start,
            stop=stop,
            hint=hint,
            avoid=avoid,
            skippable=skippable,
            owner=owner,
            address=owner,
        )
        through = Through(
            digest, download, self._slots, prefix=prefix, withheld=self._means.policy.withheld
        )
        try:
            await download.open()
        except BeyondError:
            await through.close()
            raise FailedError("the upstream says that the blob is shorter") from None
        except BaseException:
            await through.close()
            raise
        self._means.counts.through += 1
        return through
