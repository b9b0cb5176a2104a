"""One connection: bytes in to requests in turn, and what happens when a deadline passes.

The parser is aiohttp's (llhttp in C). The rest of its server is not used (ADR 14): it has no
time-out for a request's head, and who sends files past the transport must own the connection.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiohttp.http import HttpProcessingError, RawRequestMessage
from aiohttp.streams import StreamReader

from homeport.mirror.errors import RegistryError
from homeport.mirror.http.api import ClientGoneError
from homeport.mirror.http.channel import PIPELINE, Channel, Phase
from homeport.mirror.http.exchange import exchange
from homeport.mirror.http.listening import Listening
from homeport.mirror.http.origin import UNIX, plain_address
from homeport.mirror.http.shared import Shared
from homeport.mirror.http.tls import subject_of
from homeport.oci.error_code import ErrorCode

log = logging.getLogger("homeport.mirror.http")

LINGER_SECONDS = 3.0
REFUSED_SECONDS = 0.5


class Connection(Channel):
    """`address` is the peer's, or what a PROXY header named."""

    __slots__ = (
        "_counted",
        "_head_bytes",
        "_messages",
        "_payload",
        "_refusal",
        "_task",
        "address",
        "certificate",
        "listening",
    )

    def __init__(
        self,
        shared: Shared,
        listening: Listening,
        loop: asyncio.AbstractEventLoop,
        address: str | None = None,
    ) -> None:
        super().__init__(shared, loop)
        self.listening = listening
        self.address = address or ""
        self.certificate: Mapping[str, Any] | None = None
        self._counted: str | None = None
        self._head_bytes = 0
        self._messages: deque[tuple[RawRequestMessage, StreamReader]] = deque()
        self._payload: StreamReader | None = None
        self._refusal: int | None = None
        self._task: asyncio.Task[None] | None = None

    # the life of the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        shared = self.shared
        shared.counters.connections += 1
        shared.connections.add(self)
        if not self.address:
            self.address = _peer_of(transport)
        sslobj = transport.get_extra_info("ssl_object")
        if sslobj is not None:
            self.certificate = subject_of(sslobj.getpeercert())
        self._wait(Phase.HEAD, shared.limits.header_timeout)
        if not shared.admit(self.address):
            self._refuse(429)
            return
        self._counted = self.address
        if shared.draining:
            self.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.shared.connections.discard(self)
        if self._counted is not None:
            self.shared.release(self._counted)
            self._counted = None
        self._messages.clear()
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(ClientGoneError())
        if self._task is not None and self.cancellable:
            self._task.cancel()
        self._parser = None

    def eof_received(self) -> bool:
        """A client that only closes its sending half may still read its answer."""
        self._closing = self._half_closed = True
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(ClientGoneError())
            return False
        if self._task is None:
            self.wait_for_client()
        if self.phase is Phase.BUSY:
            self._busy()
        return self._task is not None and not self.secure

    def retire(self) -> None:
        """Take no more requests; an idle connection is closed, a busy one after its answer."""
        self._closing = True
        if self._task is None:
            self.close()

    @property
    def task(self) -> asyncio.Task[None] | None:
        return self._task

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

    def expire(self) -> None:
        """The deadline has passed."""
        if self.phase is Phase.SEND and self._takes_bytes():
            self.wait_for_client()
            return
        self.deadline = math.inf
        if self.phase is Phase.HEAD:
            self.shared.counters.timed_out += 1
            if self._head_bytes:
                self._refuse(408)
            else:
                self.close()
        elif self.phase is Phase.BODY and self._payload is not None:
            self.shared.counters.timed_out += 1
            self._payload.set_exception(
                RegistryError(ErrorCode.TIMEOUT, "the request's body stopped coming", status=408)
            )
        elif self.phase is Phase.SEND:
            self.shared.counters.timed_out += 1
            self.cut()
        elif self.phase is Phase.IDLE:
            self.close()
        else:
            self.cut()


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
