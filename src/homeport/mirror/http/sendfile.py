"""Files to sockets by sendfile(2), in a bounded pool of threads, past the event loop.

uvloop has no `loop.sendfile`. A job never waits for a client longer than a few milliseconds: who is
slow costs the pool nothing, the event loop watches its socket meanwhile.
"""

import asyncio
import os
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from msgspec import Struct

from homeport.mirror.errors import CutError

WORKERS = 8
QUANTUM = 16 * 1024**2
"""Bytes of one job at most."""
SHARED_QUANTUM = 1024**2
"""Bytes of one job while others wait for a thread."""
PATIENCE = 20
"""Milliseconds that a job waits for room in the socket while nobody waits for its thread."""
_STEP = 1024**2


class Pushed(Struct):
    """What a job did: bytes of the head and of the file, and whether the socket is full."""

    head: int
    body: int
    full: bool


class SendPool:
    """`close` waits for the running jobs, which are short."""

    def __init__(self, workers: int = WORKERS) -> None:
        self._workers = workers
        self._running = 0
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="sendfile")

    async def push(self, target: int, head: bytes, file: int, offset: int, length: int) -> Pushed:
        """Send head and file from `offset` until `length` bytes, the quantum or the socket's room
        are used up. Both descriptors must stay open until this returns; it does not return before
        the thread has let go of them, also when cancelled. Raises OSError of the socket, CutError
        where the file is shorter."""
        crowded = self._running >= self._workers
        self._running += 1
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(
            self._threads,
            partial(
                _push,
                target,
                head,
                file,
                offset,
                min(length, SHARED_QUANTUM if crowded else QUANTUM),
                patience=0 if crowded else PATIENCE,
            ),
        )
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            while not job.done():
                await _settled(job)
            raise
        finally:
            self._running -= 1

    async def read(self, file: int, offset: int, length: int) -> bytes:
        """A large read that may wait for the disk."""
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._threads, os.pread, file, length, offset)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            while not job.done():
                await _settled(job)
            raise

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)


async def _settled(job: "asyncio.Future[Any]") -> None:
    """Wait for a job, again and again if cancelled meanwhile: its descriptors are in use."""
    try:
        await asyncio.wait([job])
    except asyncio.CancelledError:
        return


def _push(
    target: int, head: bytes, file: int, offset: int, length: int, *, patience: int
) -> Pushed:
    done = Pushed(0, 0, False)
    if head:
        done.head = _send(target, head, more=length > 0)
        if done.head < len(head):
            done.full = True
            return done
    while done.body < length:
        try:
            sent = os.sendfile(target, file, offset + done.body, min(_STEP, length - done.body))
        except BlockingIOError:
            if patience and _has_room(target, patience):
                continue
            done.full = True
            return done
        if sent == 0:
            raise CutError("the file is shorter than it was")
        done.body += sent
    return done


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
