"""Files to sockets by sendfile(2), in a bounded pool of threads, past the event loop.

uvloop has no `loop.sendfile`. A job never waits for a client longer than a few milliseconds: who is
slow costs the pool nothing, the event loop watches its socket meanwhile.
"""

import asyncio
import os
import select
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from msgspec import Struct

from homeport.mirror.errors import CutError

T = TypeVar("T")

WORKERS = 8
QUANTUM = 16 * 1024**2
"""Bytes of one job at most."""
SHARED_QUANTUM = 1024**2
"""Bytes of one job while others wait for a thread."""
PATIENCE = 20
"""Milliseconds that a job waits for room in the socket while nobody waits for its thread."""
_STEP = 1024**2


class Pushed(Struct):
    """What a job did so far, also where it failed: bytes of the head and of the file; `full` says
    that it stopped because the socket takes no more."""

    head: int = 0
    body: int = 0
    full: bool = False


class SendPool:
    """`close` waits for the running jobs, which are short."""

    def __init__(self, workers: int = WORKERS) -> None:
        self._workers = workers
        self._running = 0
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="sendfile")

    async def push(
        self, target: int, head: bytes, *, file: int, offset: int, length: int, done: Pushed
    ) -> None:
        """Send head and file from `offset` until `length` bytes, the quantum or the socket's room
        are used up, and say in `done` how far it came. Both descriptors must stay open until this
        returns; it does not return before the thread has let go of them, also when cancelled.
        Raises OSError of the socket, CutError where the file is shorter."""
        crowded = self._running >= self._workers
        most = SHARED_QUANTUM if crowded else QUANTUM
        patience = 0 if crowded else PATIENCE
        self._running += 1
        try:
            await self._run(
                partial(
                    _push,
                    target,
                    head,
                    file=file,
                    offset=offset,
                    length=min(length, most),
                    done=done,
                    patience=patience,
                )
            )
        finally:
            self._running -= 1

    async def read(self, file: int, offset: int, length: int) -> bytes:
        """A large read that may wait for the disk."""
        return await self._run(partial(os.pread, file, length, offset))

    async def _run(self, work: Callable[[], T]) -> T:
        job = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            while not job.done():  # again and again: its descriptors are in use
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([job])
            if not job.cancelled():
                job.exception()
            raise

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)


def _push(
    target: int,
    head: bytes,
    *,
    file: int,
    offset: int,
    length: int,
    done: Pushed,
    patience: int,
) -> None:
    if head:
        done.head = _send(target, head, more=length > 0)
        if done.head < len(head):
            done.full = True
            return
    while done.body < length:
        try:
            sent = os.sendfile(target, file, offset + done.body, min(_STEP, length - done.body))
        except BlockingIOError:
            if patience and _has_room(target, patience):
                continue
            done.full = True
            return
        if sent == 0:
            raise CutError("the file is shorter than it was")
        done.body += sent


def _send(target: int, data: bytes, *, more: bool) -> int:
    """send(2) on a descriptor that somebody else owns."""
    endpoint = socket.socket(fileno=target)
    try:
        return endpoint.send(data, socket.MSG_DONTWAIT | (socket.MSG_MORE if more else 0))
    except BlockingIOError:
        return 0
    finally:
        endpoint.detach()


def _has_room(target: int, milliseconds: int) -> bool:
    poller = select.poll()
    poller.register(target, select.POLLOUT)
    return bool(poller.poll(milliseconds))


def is_cached(file: int, offset: int, length: int) -> bool:
    """Whether a range seems to be in the page cache, by its first and last byte: a read would not
    wait for the disk then."""
    probe = bytearray(1)
    try:
        return (
            os.preadv(file, [probe], offset, os.RWF_NOWAIT) == 1
            and os.preadv(file, [probe], offset + length - 1, os.RWF_NOWAIT) == 1
        )
    except OSError:
        return False
