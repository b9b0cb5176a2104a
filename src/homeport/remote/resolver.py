"""Names to addresses, in threads of one's own.

The loop's own look-up shares a few threads with the rest of the process (asyncio: the default
executor; uvloop: libuv's four). One upstream whose name server is a black hole would take them all.
"""

import asyncio
import socket
import threading
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

_MAX_THREADS = 8


class Resolver(AbstractResolver):
    """Each look-up runs once at a time and ends in its own time, whoever still waits for it."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, int, int], asyncio.Future[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises OSError."""
        key = host, port, int(family)
        future = self._running.get(key)
        if future is None:
            if len(self._running) >= _MAX_THREADS:
                raise OSError(None, "the name server does not answer")
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            self._running[key] = future
            future.add_done_callback(lambda done: self._finish(key, done))
            arguments = (loop, future, host, port, family)
            threading.Thread(
                target=_look_up, args=arguments, daemon=True, name="homeport-resolver"
            ).start()
        return await asyncio.shield(future)

    async def close(self) -> None:
        return

    def _finish(
        self, key: tuple[str, int, int], done: "asyncio.Future[list[ResolveResult]]"
    ) -> None:
        self._running.pop(key, None)
        if not done.cancelled():
            done.exception()  # it is seen, though nobody may wait any more


def _look_up(
    loop: asyncio.AbstractEventLoop,
    future: "asyncio.Future[list[ResolveResult]]",
    host: str,
    port: int,
    family: socket.AddressFamily,
) -> None:
    found: list[ResolveResult] = []
    failure: OSError | None = None
    try:
        flags = socket.AI_ADDRCONFIG
        answers = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags)
        found = [
            _result(host, port, kind, protocol, address)
            for kind, _, protocol, _, address in answers
        ]
    except OSError as error:
        failure = error
    except UnicodeError:
        failure = OSError(None, "it is not a name")

    def tell() -> None:
        if future.done():
            return
        if failure is None:
            future.set_result(found)
        else:
            future.set_exception(failure)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:
        return  # the loop is closed: nobody waits any more


def _result(host: str, port: int, family: int, protocol: int, address: Any) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=str(address[0]),
        port=port,
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
