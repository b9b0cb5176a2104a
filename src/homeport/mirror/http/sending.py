"""Answers onto a connection: bytes in one write, files by sendfile, streams with back-pressure."""

import asyncio
import logging
import os

from aiohttp.http import RawRequestMessage

from homeport.mirror.errors import CutError, RegistryError
from homeport.mirror.http.api import ClientGoneError
from homeport.mirror.http.channel import Channel
from homeport.mirror.http.head import HeaderError, encode_head
from homeport.mirror.http.sendfile import Pushed, is_cached
from homeport.mirror.model.exchange import FileBody, Reply, StreamBody

log = logging.getLogger("homeport.mirror.http")

SMALL_FILE = 64 * 1024
"""A file in the page cache up to this size is cheaper to read than to hand to a thread."""
TLS_READ = 512 * 1024
"""Measured (ADR 14): smaller ones cost more CPU, larger ones only memory for each client."""
PACE_STEP = 1024**2
WRITE_STEP = 256 * 1024


class Progress:
    """Bytes of the body that were handed to the socket."""

    __slots__ = ("body",)

    def __init__(self) -> None:
        self.body = 0


async def send(
    channel: Channel,
    message: RawRequestMessage,
    reply: Reply,
    progress: Progress,
    *,
    extra: str,
    keep: bool,
) -> bool:
    """Send an answer, and give its body back whatever happens. False where it was begun and cut;
    the connection is closed then. Raises HeaderError before anything was sent where a header is not
    fit to be sent, ConnectionError where the client is gone."""
    body, old = reply.body, message.version < (1, 1)
    try:
        bare = message.method == "HEAD" or reply.status in (204, 304)
        length = len(body) if isinstance(body, bytes) else body.length
        chunked = length is None and not bare and not old
        if length is None and old and not bare:  # the end of the connection is the end of the body
            keep = False
        more = extra + _framing(message.method, reply, length, chunked=chunked)
        if not keep:
            more += "Connection: close\r\n"
        elif old:
            more += "Connection: keep-alive\r\n"
        head = encode_head(reply.status, _fields(message.method, reply), more)
        if bare:
            channel.write(head)
        elif isinstance(body, bytes):
            channel.write(head + body)
            progress.body = len(body)
        elif isinstance(body, FileBody):
            await _send_file(channel, head, body, progress)
        else:
            channel.write(head)
            await _send_stream(channel, body, progress, chunked=chunked)
        await channel.drain()
    except (CutError, RegistryError) as error:
        log.info("an answer was cut after %d bytes: %s", progress.body, error)
        channel.cut()
        return False
    except (asyncio.CancelledError, ConnectionError, HeaderError):
        raise
    except Exception:
        log.exception("an answer was cut after %d bytes by a defect", progress.body)
        channel.cut()
        return False
    finally:
        await discard(reply)
    return True


async def discard(reply: Reply) -> None:
    """Give a body back."""
    body = reply.body
    try:
        if isinstance(body, FileBody):
            body.close()
        elif isinstance(body, StreamBody):
            await asyncio.shield(asyncio.ensure_future(body.close()))
    except Exception:
        log.exception("closing an answer's body failed")


_HOP = frozenset(("connection", "transfer-encoding", "date"))


def _fields(method: str, reply: Reply) -> list[tuple[str, str]]:
    """The reply's headers without those that are said here; only a HEAD's length is its own."""
    own = method == "HEAD"
    return [
        (name, text)
        for name, text in reply.headers.items()
        if (low := name.lower()) not in _HOP and (own or low != "content-length")
    ]


def _framing(method: str, reply: Reply, length: int | None, *, chunked: bool) -> str:
    if chunked:
        return "Transfer-Encoding: chunked\r\n"
    if length is None or reply.status in (204, 304):
        return ""
    if method == "HEAD" and (
        not length or any(name.lower() == "content-length" for name in reply.headers)
    ):
        return ""
    return f"Content-Length: {length}\r\n"


async def _send_file(channel: Channel, head: bytes, body: FileBody, progress: Progress) -> None:
    size = body.length
    if size <= SMALL_FILE and body.pace is None and _is_at_hand(body):
        data = os.pread(body.descriptor, size, body.offset)
        if len(data) != size:
            raise CutError("the file is shorter than it was")
        channel.write(head + data)
        progress.body = size
    elif channel.secure or channel.descriptor < 0:
        channel.write(head)
        await _read_file(channel, body, progress)
    else:
        await channel.flush()
        target = os.dup(channel.descriptor)
        try:
            await _push_file(channel, target, head, body, progress)
        finally:
            os.close(target)


def _is_at_hand(body: FileBody) -> bool:
    return body.length == 0 or is_cached(body.descriptor, body.offset, body.length)


async def _push_file(
    channel: Channel, target: int, head: bytes, body: FileBody, progress: Progress
) -> None:
    """Nothing else writes to the connection while this runs; reading goes on."""
    while head or progress.body < body.length:
        step = body.length - progress.body
        if body.pace is not None:
            step = min(step, PACE_STEP)
            await body.pace(step)
        goal = progress.body + step
        while head or progress.body < goal:
            if channel.transport is None:
                raise ClientGoneError()
            at = progress.body
            pushed = Pushed()
            try:
                await channel.shared.pool.push(
                    target,
                    head,
                    file=body.descriptor,
                    offset=body.offset + at,
                    length=goal - at,
                    done=pushed,
                )
            finally:
                progress.body += pushed.body
            head = head[pushed.head :]
            if pushed.full:
                await _room(channel, target)


async def _room(channel: Channel, target: int) -> None:
    """Until the socket takes bytes again."""
    loop = asyncio.get_running_loop()

    def wake() -> None:
        waiter = channel.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    channel.wait_for_client()
    loop.add_writer(target, wake)
    try:
        await channel.wake()
    finally:
        loop.remove_writer(target)
        channel.stop_waiting()


async def _read_file(channel: Channel, body: FileBody, progress: Progress) -> None:
    """Large reads through the transport, for TLS. What is in the page cache is read here and now;
    for the rest a thread waits, and the kernel is told what comes next."""
    while progress.body < body.length:
        at = body.offset + progress.body
        step = min(TLS_READ, body.length - progress.body)
        if body.pace is not None:
            await body.pace(step)
        if is_cached(body.descriptor, at, step):
            data = os.pread(body.descriptor, step, at)
        else:
            os.posix_fadvise(body.descriptor, at + step, TLS_READ, os.POSIX_FADV_WILLNEED)
            data = await channel.shared.pool.read(body.descriptor, at, step)
        if len(data) != step:
            raise CutError("the file is shorter than it was")
        channel.write(data)
        progress.body += step
        await channel.drain()


async def _send_stream(
    channel: Channel, body: StreamBody, progress: Progress, *, chunked: bool
) -> None:
    async for chunk in body.chunks:
        if body.length is not None and progress.body + len(chunk) > body.length:
            raise CutError("more bytes than were announced")
        rest = memoryview(chunk)
        while rest:
            piece, rest = rest[:WRITE_STEP], rest[WRITE_STEP:]
            if body.pace is not None:
                await body.pace(len(piece))
            if chunked:
                channel.writelines([b"%x\r\n" % len(piece), piece, b"\r\n"])
            else:
                channel.write(piece)
            progress.body += len(piece)
            await channel.drain()
    if body.length is not None and progress.body < body.length:
        raise CutError("fewer bytes than were announced")
    if chunked:
        channel.write(b"0\r\n\r\n")
