"""The way out of a connection: writes with back-pressure, deadlines, and the two ways to end."""

import asyncio
import fcntl
import math
import os
import socket
import struct
import termios
from contextlib import suppress
from enum import IntEnum

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser

from homeport.mirror.http.api import ClientGoneError
from homeport.mirror.http.shared import Shared

READ_BUFFER = 256 * 1024
WRITE_BUFFER = 128 * 1024
PIPELINE = 16
"""Requests that are parsed ahead of the one that is answered."""
HALF_CLOSED_SECONDS = 1.0
"""How long a pull goes on for a client that closed its sending half: most of them are gone."""


class Phase(IntEnum):
    """What the connection waits for, where it has a deadline."""

    IDLE = 0
    HEAD = 1
    BUSY = 2
    BODY = 3
    SEND = 4
    LINGER = 5


class Channel(BaseProtocol):
    """`deadline` is by the server's clock; `phase` says what happens when it passes. `cancellable`:
    the answer may be given up when the client goes away. `descriptor` is the socket's, -1 once it
    is closed; `secure` says that bytes must go through the transport."""

    __slots__ = (
        "_closing",
        "_half_closed",
        "_outgoing",
        "_writable",
        "cancellable",
        "deadline",
        "descriptor",
        "phase",
        "secure",
        "shared",
    )

    def __init__(self, shared: Shared, loop: asyncio.AbstractEventLoop) -> None:
        size = shared.limits.header_bytes
        parser = HttpRequestParser(
            self,
            loop,
            READ_BUFFER,
            max_line_size=size,
            max_field_size=size,
            max_headers=100,
            auto_decompress=False,
            max_msg_queue_size=PIPELINE,
        )
        super().__init__(loop, parser)
        self.shared = shared
        self.cancellable = False
        self.deadline = math.inf
        self.descriptor = -1
        self.phase = Phase.HEAD
        self.secure = False
        self._closing = False
        self._half_closed = False
        self._outgoing = 0
        self._writable: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=WRITE_BUFFER)  # type: ignore[attr-defined]
        self.secure = transport.get_extra_info("ssl_object") is not None
        endpoint = transport.get_extra_info("socket")
        if endpoint is not None:
            self.descriptor = endpoint.fileno()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._closing = True
        self.deadline = math.inf
        self.descriptor = -1
        if self._writable is not None and not self._writable.done():
            self._writable.set_exception(ClientGoneError())

    @property
    def closing(self) -> bool:
        return self._closing or self.transport is None

    def close(self) -> None:
        """Close when what was written is out; a client that does not take it is cut in time."""
        self._closing = True
        if self.transport is not None and not self.transport.is_closing():
            self.wait_for_client()
            self.transport.close()

    def cut(self) -> None:
        """Close at once, so that no client takes what it has for a whole answer."""
        self._closing = True
        if self.transport is None:
            return
        if self.descriptor >= 0:
            with suppress(OSError), socket.socket(fileno=os.dup(self.descriptor)) as endpoint:
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    # deadlines

    def _busy(self) -> None:
        self.phase, self.deadline = Phase.BUSY, math.inf
        if self._half_closed and self.cancellable:
            self.deadline = self.shared.clock() + HALF_CLOSED_SECONDS

    def _wait(self, phase: Phase, seconds: float) -> None:
        self.phase, self.deadline = phase, self.shared.clock() + seconds

    def wait_for_body(self) -> None:
        self._wait(Phase.BODY, self.shared.limits.send_timeout)

    def wait_for_client(self) -> None:
        """From here on the client must take bytes."""
        self._wait(Phase.SEND, self.shared.limits.send_timeout)

    def stop_waiting(self) -> None:
        self._busy()

    def _takes_bytes(self) -> bool:
        """Whether the client acknowledged anything since this was last asked: what the kernel still
        holds (SIOCOUTQ) and the transport's buffer, which hide a slow client's progress."""
        if self.transport is None:
            return False
        outgoing = self.transport.get_write_buffer_size()
        if self.descriptor >= 0:
            with suppress(OSError):
                answer = fcntl.ioctl(self.descriptor, termios.TIOCOUTQ, b"\0\0\0\0")
                outgoing += int.from_bytes(answer, "little")
        moved = outgoing != self._outgoing
        self._outgoing = outgoing
        return moved

    # bytes out

    def write(self, data: bytes | memoryview) -> None:
        """Raises ConnectionResetError where the client is gone."""
        if self.transport is None or self.transport.is_closing():
            raise ClientGoneError()
        self.transport.write(data)

    def writelines(self, parts: list[bytes | memoryview]) -> None:
        if self.transport is None or self.transport.is_closing():
            raise ClientGoneError()
        self.transport.writelines(parts)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    async def drain(self) -> None:
        """Wait while the transport holds more than it should."""
        while self._paused and self.transport is not None:
            self.wait_for_client()
            await self.wake()
            self.stop_waiting()
        if self.transport is None:
            raise ClientGoneError()

    async def wake(self) -> None:
        """Until something resolves `waiter`, or the client is gone (ConnectionResetError)."""
        if self.transport is None:
            raise ClientGoneError()
        self._writable = self._loop.create_future()
        try:
            await self._writable
        finally:
            self._writable = None

    @property
    def waiter(self) -> asyncio.Future[None] | None:
        return self._writable

    async def flush(self) -> None:
        """Wait until the transport holds nothing, so that others may write to the socket."""
        transport = self.transport
        if transport is None:
            raise ClientGoneError()
        if transport.get_write_buffer_size() == 0:
            return
        transport.set_write_buffer_limits(high=0)
        try:
            await self.drain()
        finally:
            transport.set_write_buffer_limits(high=WRITE_BUFFER)
