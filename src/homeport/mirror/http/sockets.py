"""Listening sockets, and who comes through them."""

import asyncio
import errno
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from homeport.lib.unix_socket import short_path
from homeport.mirror.http.proxy_protocol import FIXED, length_of, source_of

log = logging.getLogger("homeport.mirror.http")

BACKLOG = 1024
UNIX_MODE = 0o660


def open_sockets(address: str) -> list[socket.socket]:
    """Bind and listen on `HOST:PORT`, `[V6]:PORT`, `:PORT` or `unix:/path`. Raises OSError, and
    ValueError for what is no address."""
    if address.startswith("unix:"):
        return [_open_unix(address.removeprefix("unix:"))]
    host, found, port = address.rpartition(":")
    if not found or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{address!r} is no HOST:PORT")
    host = host.strip("[]")
    infos = socket.getaddrinfo(
        host if host not in ("", "*") else None,
        int(port),
        type=socket.SOCK_STREAM,
        flags=socket.AI_PASSIVE,
    )
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, where in dict.fromkeys(infos):
            listener = socket.socket(family, kind, protocol)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, len(infos) > 1)
            listener.setblocking(False)
            listener.bind(where)
            listener.listen(BACKLOG)
    except BaseException:
        for listener in sockets:
            listener.close()
        raise
    return sockets


def _open_unix(path: str) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        before = os.umask(0o777 & ~UNIX_MODE)
        try:
            with short_path(path) as short:
                listener.bind(short)
        finally:
            os.umask(before)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    """A socket that nobody listens on was left by a process that is gone."""
    try:
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            return  # bind will say that the address is in use
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            with short_path(path) as short:
                probe.connect(short)
        except ConnectionRefusedError:
            Path(path).unlink()
        except OSError:
            return


def remove_unix(address: str) -> None:
    if address.startswith("unix:"):
        with suppress(OSError):
            Path(address.removeprefix("unix:")).unlink()


Arrived = Callable[[socket.socket, str | None], Awaitable[None]]
"""Takes a connected socket, and the client's address where a proxy named it."""


async def accept(
    listener: socket.socket,
    arrived: Arrived,
    *,
    trusts: Callable[[socket.socket], bool],
    timeout: Callable[[], float],
    arriving: set[asyncio.Task[None]],
) -> None:
    """Accept connections whose first bytes are a PROXY v2 header where `trusts` says so.

    The header comes before TLS, so that it is read from the bare socket. From others no header is
    read: one that they send is no HTTP and no TLS. Who is on the way in is in `arriving`, and lives
    on when this is cancelled.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            client, _ = await loop.sock_accept(listener)
        except OSError as error:
            if error.errno in (errno.EBADF, errno.EINVAL):
                return
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                log.error("cannot accept: %s", error)
                await asyncio.sleep(1)
            continue
        client.setblocking(False)
        task = loop.create_task(_arrive(client, arrived, trusts, timeout()))
        arriving.add(task)
        task.add_done_callback(arriving.discard)


async def _arrive(
    client: socket.socket,
    arrived: Arrived,
    trusts: Callable[[socket.socket], bool],
    timeout: float,
) -> None:
    try:
        address = None
        if trusts(client):
            async with asyncio.timeout(timeout):
                address = await _read_header(client)
        await arrived(client, address)
    except asyncio.CancelledError:
        client.close()
        raise
    except Exception as error:  # noqa: BLE001 - one connection's failure is nobody else's
        log.info("a connection was not accepted: %s", error or type(error).__name__)
        client.close()


async def _read_header(client: socket.socket) -> str | None:
    fixed = await _read_exactly(client, FIXED)
    rest = await _read_exactly(client, length_of(fixed))
    return source_of(fixed, rest)


async def _read_exactly(client: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        part = await loop.sock_recv(client, size - len(data))
        if not part:
            raise ValueError("the connection ended within the PROXY protocol header")
        data += part
    return data
