"""A request's body into staged content: bounded, in order, and keeping what has arrived."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable

from msgspec import Struct

from homeport.mirror.errors import NoSpaceError, RegistryError
from homeport.mirror.push import refusal
from homeport.mirror.store.api import Staged
from homeport.oci.error_code import ErrorCode

BLOCK = 1024 * 1024
"""Bytes gathered before they are written: a write is a hop to a thread, a chunk is 64 KiB."""

_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)


class Chunk(Struct, frozen=True):
    """A Content-Range of the distribution specification: `start`-`stop`, both inclusive."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start + 1


class Ceiling(Struct, frozen=True):
    """How large the whole content may become, and what to raise beyond."""

    size: int
    refuse: Callable[[], Exception]


def parse_content_range(text: str | None) -> Chunk | None:
    """`A-B`, without unit and total (end-5); raises 400 for anything else that is there."""
    if text is None:
        return None
    match = _RANGE.fullmatch(text.strip())
    if match is None or int(match[2]) < int(match[1]):
        raise RegistryError(
            ErrorCode.BLOB_UPLOAD_INVALID, "Content-Range is two numbers, as in 0-1023"
        )
    return Chunk(int(match[1]), int(match[2]))


async def receive(
    body: AsyncIterator[bytes] | None,
    staged: Staged,
    *,
    expected: int | None,
    ceiling: Ceiling,
    cancelled: Callable[[], bool],
) -> None:
    """Append the body. `expected` is its size where the client said it.

    Whatever goes wrong (a client that leaves, a body of another size), bytes that came in order
    stay, and `staged.size` tells how many.
    """
    if staged.size + (expected or 0) > ceiling.size:
        raise ceiling.refuse()
    taken = 0
    buffer = bytearray()
    try:
        if body is not None:
            async for data in body:
                if cancelled():
                    raise refusal.unknown_upload()
                taken += len(data)
                if expected is not None and taken > expected:
                    break
                if staged.size + len(buffer) + len(data) > ceiling.size:
                    raise ceiling.refuse()
                buffer += data
                if len(buffer) >= BLOCK:
                    await append(staged, buffer)
                    buffer = bytearray()
    finally:
        if buffer:
            await append(staged, buffer)
    if expected is not None and taken != expected:
        raise RegistryError(
            ErrorCode.SIZE_INVALID, f"the body is not of the {expected} bytes that were announced"
        )


async def append(staged: Staged, data: bytearray) -> None:
    """Append as a whole, also while the request is being cancelled: a write that is half done
    would leave a hash that fits no bytes."""
    writing = asyncio.ensure_future(staged.append(memoryview(data)))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        if not writing.cancelled():
            writing.exception()
        raise
    except NoSpaceError:
        raise refusal.no_space() from None
