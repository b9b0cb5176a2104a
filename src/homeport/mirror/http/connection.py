"""One connection: bytes in to requests in turn, deadlines, and a way out with back-pressure.

The parser is aiohttp's (llhttp in C). The rest of its server is not used (ADR 14): it has no
time-out for a request's head, and who sends files past the transport must own the connection.
"""

import asyncio
import fcntl
import logging
import math
import os
import socket
import struct
import termios
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from enum import IntEnum
from typing import Any

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpRequestParser, RawRequestMessage
from aiohttp.streams import StreamReader

from homeport.mirror.errors import RegistryError
from homeport.mirror.http.api import ClientGoneError
from homeport.mirror.http.exchange import exchange
from homeport.mirror.http.listening import Listening
from homeport.mirror.http.origin import UNIX, plain_address
from homeport.mirror.http.shared import Shared
from homeport.mirror.http.tls import subject_of
from homeport.oci.error_code import ErrorCode

log = logging.getLogger("homeport.mirror.http")

PIPELINE = 16
"""Requests that are parsed ahead of the one that is answered."""
READ_BUFFER = 256 * 1024
WRITE_BUFFER = 256 * 1024
LINGER_SECONDS = 3.0
REFUSED_SECONDS = 0.5
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


class Connection(BaseProtocol):
    """`deadline` is by the server's clock; `phase` says what happens when it passes."""

    __slots__ = (
        "_admitted",
        "_closing",
        "_counted",
        "_half_closed",
        "_head_bytes",
        "_messages",
        "_outgoing",
        "_payload",
        "_refusal",
        "_task",
        "_writable",
        "address",
        "cancellable",
        "certificate",
        "deadline",
        "descriptor",
        "listening",
        "phase",
        "secure",
        "shared",
    )

    def __init__(
        self,
        shared: Shared,
        listening: Listening,
        loop: asyncio.AbstractEventLoop,
        address: str | None = None,
    ) -> None:
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
        self.listening = listening
        self.address = address or ""
        self.secure = False
        self.certificate: Mapping[str, Any] | None = None
        self.descriptor = -1
        self.deadline = math.inf
        self.phase = Phase.HEAD
        self.cancellable = False
        self._admitted = False
        self._closing = False
        self._counted: str | None = None
        self._half_closed = False
        self._head_bytes = 0
        self._messages: deque[tuple[RawRequestMessage, StreamReader]] = deque()
        self._outgoing = 0
        self._payload: StreamReader | None = None
        self._refusal: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None

    # the life of the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        shared = self.shared
        shared.counters.connections += 1
        shared.connections.add(self)
        transport.set_write_buffer_limits(high=WRITE_BUFFER)  # type: ignore[attr-defined]
        if not self.address:
            self.address = _peer_of(transport)
        sslobj = transport.get_extra_info("ssl_object")
        self.secure = sslobj is not None
        if sslobj is not None:
            self.certificate = subject_of(sslobj.getpeercert())
        endpoint = transport.get_extra_info("socket")
        if endpoint is not None:
            self.descriptor = endpoint.fileno()
        self._wait(Phase.HEAD, shared.limits.header_timeout)
        if not shared.admit(self.address):
            self._refuse(429)
            return
        self._counted = self.address
        if shared.draining:
            self.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._closing = True
        self.deadline = math.inf
        self.descriptor = -1
        self.shared.connections.discard(self)
        if self._counted is not None:
            self.shared.release(self._counted)
            self._counted = None
        self._messages.clear()
        gone = ClientGoneError()
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(gone)
        if self._writable is not None and not self._writable.done():
            self._writable.set_exception(gone)
        if self._task is not None and self.cancellable:
            self._task.cancel()
        self._parser = None

    def eof_received(self) -> bool:
        """A client that only closes its sending half may still read its answer."""
        self._closing = self._half_closed = True
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(ClientGoneError())
            return False
        if self.phase is Phase.BUSY:
            self._busy()
        return self._task is not None and not self.secure

    def close(self) -> None:
        """Close when what was written is out."""
        self._closing = True
        if self.transport is not None:
            self.transport.close()

    def cut(self) -> None:
        """Close at once, so that no client takes what it has for a whole answer."""
        self._closing = True
        if self.transport is None:
            return
        if self.descriptor >= 0:
            with suppress(OSError), socket.socket(fileno=_dup(self.descriptor)) as endpoint:
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def retire(self) -> None:
        """Take no more requests; an idle connection is closed, a busy one after its answer."""
        self._closing = True
        if self._task is None:
            self.close()

    @property
    def task(self) -> asyncio.Task[None] | None:
        return self._task

    @property
    def closing(self) -> bool:
        return self._closing or self.transport is None

    # bytes in

    def data_received(self, data: bytes) -> None:
        parser, payload = self._parser, self._payload
        in_head = payload is None or payload.is_eof()
        if parser is None or self._refusal is not None or (self._closing and in_head):
            return
        try:
            messages, upgraded, _ = parser.feed_data(data)
        except HttpProcessingError as error:
            self._malformed(error)
            return
        if self._closing:  # only the rest of a body is still of interest
            return
        if messages:
            self._head_bytes = 0
            self._messages.extend(messages)
            self._payload = messages[-1][1]
            if upgraded or len(data) > self.shared.limits.header_bytes:
                self._check_sizes(messages, upgraded)
            if len(self._messages) >= PIPELINE and not self._buffer_paused:
                self._pause_reading_for_buffer()
            if self._task is None and self._messages:
                self._task = self._loop.create_task(self._serve())
        elif in_head:
            self._part_of_head(len(data))

    def _part_of_head(self, size: int) -> None:
        if size and self.phase is Phase.IDLE:
            self._wait(Phase.HEAD, self.shared.limits.header_timeout)
        self._head_bytes += size
        if self._head_bytes > self.shared.limits.header_bytes:
            self._refusal = 431
            self._start_or_refuse()

    def _check_sizes(
        self, messages: list[tuple[RawRequestMessage, StreamReader]], upgraded: bool
    ) -> None:
        limit = self.shared.limits.header_bytes
        for index, (message, _) in enumerate(messages):
            size = sum(len(name) + len(text) + 4 for name, text in message.raw_headers)
            if size + len(message.path) > limit:
                for _ in range(len(messages) - index):
                    self._messages.pop()
                self._refusal = 431
                self._start_or_refuse()
                return
        if upgraded:  # what follows is not HTTP/1.1
            self._closing = True

    def _malformed(self, error: HttpProcessingError) -> None:
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(
                RegistryError(ErrorCode.SIZE_INVALID, "the request's body is malformed")
            )
        self._refusal = 431 if "more than" in error.message else 400
        self._start_or_refuse()

    def _start_or_refuse(self) -> None:
        """A refusal comes after the answers to what was asked before."""
        self._closing = True
        if self._task is None and self._refusal is not None:
            self._refuse(self._refusal)

    def _refuse(self, status: int) -> None:
        """What is no request gets a bare answer, cheaply. What still comes is thrown away for a
        moment: closing on it would reset the connection, and the answer would be lost."""
        self._closing, self._refusal = True, status
        self.shared.counters.refused += 1
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        transport.write(_REFUSALS[status])
        if status == 429 or not transport.can_write_eof():
            transport.close()
            return
        transport.write_eof()
        self._wait(Phase.LINGER, REFUSED_SECONDS)

    # requests in turn

    async def _serve(self) -> None:
        try:
            while self._messages:
                message, payload = self._messages.popleft()
                if self._parser is not None:
                    self._parser.message_consumed()
                self._busy()
                keep = await exchange(self, message, payload)
                if not keep:
                    self._closing = True
                    await self._linger(payload)
                    self._refusal = None
                    break
                if self._buffer_paused and not self._messages:
                    self._buffer_paused = False
                    self.data_received(b"")
                    if not self._buffer_paused:
                        self._resume_reading_for_buffer()
        except (ConnectionError, asyncio.CancelledError):
            self.cut()
        except Exception:
            log.exception("a connection ends by a defect")
            self.cut()
        finally:
            self._task = None
            self._rest()

    def _rest(self) -> None:
        """After the last answer that is due."""
        if self._refusal is not None:
            self._refuse(self._refusal)
        elif self._closing or self.shared.draining:
            self.close()
        elif self._head_bytes:
            self._wait(Phase.HEAD, self.shared.limits.header_timeout)
        else:
            self._wait(Phase.IDLE, self.shared.limits.idle_timeout)

    async def _linger(self, payload: StreamReader) -> None:
        """Read on for a moment: closing on unread bytes would reset the connection, and the client
        would lose the answer."""
        if payload.is_eof() or self.transport is None or self._refusal is not None:
            return
        self._wait(Phase.LINGER, LINGER_SECONDS)
        with suppress(Exception):
            while not payload.is_eof():
                await payload.readany()

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

    def expire(self) -> None:
        """The deadline has passed."""
        if self.phase is Phase.SEND and self._takes_bytes():
            self.wait_for_client()
            return
        self.deadline = math.inf
        if self.phase is Phase.HEAD:
            self.shared.counters.timed_out += 1
            self._refuse(408) if self._head_bytes else self.close()
        elif self.phase is Phase.BODY and self._payload is not None:
            self.shared.counters.timed_out += 1
            self._payload.set_exception(
                RegistryError(ErrorCode.TIMEOUT, "the request's body stopped coming", status=408)
            )
        elif self.phase is Phase.SEND:
            self.shared.counters.timed_out += 1
            self.cut()
        else:
            self.close()
            if self.phase is Phase.LINGER:
                self.cut()

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


def _refusal(status: int, reason: str) -> bytes:
    return (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    ).encode()


_REFUSALS = {
    400: _refusal(400, "Bad Request"),
    408: _refusal(408, "Request Timeout"),
    429: _refusal(429, "Too Many Requests"),
    431: _refusal(431, "Request Header Fields Too Large"),
}


def _peer_of(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    if isinstance(peer, tuple) and peer:
        return plain_address(str(peer[0])) or UNIX
    return UNIX


def _dup(descriptor: int) -> int:
    return os.dup(descriptor)
