"""The server: listeners, their connections, reload and drain."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from homeport.mirror.http.api import Handler
from homeport.mirror.http.connection import Connection
from homeport.mirror.http.listening import Listening, listening
from homeport.mirror.http.origin import UNIX, TrustedProxies, plain_address
from homeport.mirror.http.sendfile import WORKERS, SendPool
from homeport.mirror.http.shared import Counters, Shared
from homeport.mirror.http.sockets import BACKLOG, Arrived, accept, open_sockets, remove_unix
from homeport.mirror.http.tls import server_context
from homeport.mirror.model.config import LimitsConfig, ListenerConfig

log = logging.getLogger("homeport.mirror.http")

TLS_SHUTDOWN = 2.0
MALLOC_BLOCK = 8 * 1024**2


class _Door:
    """A listener while it is open: its own sockets, and what accepts from copies of them now. The
    copies may be swapped (a new certificate) without a moment in which nobody listens."""

    def __init__(self, config: ListenerConfig) -> None:
        self.config = config
        self.sockets = open_sockets(config.address)
        self.servers: list[asyncio.Server] = []
        self.tasks: list[asyncio.Task[None]] = []

    @property
    def addresses(self) -> tuple[str, ...]:
        if self.config.address.startswith("unix:"):
            return (self.config.address,)
        return tuple(map(_spelled, self.sockets))

    def stop(self) -> None:
        for server in self.servers:
            server.close()
        for task in self.tasks:
            task.cancel()
        self.servers, self.tasks = [], []

    def close(self) -> None:
        self.stop()
        for listener in self.sockets:
            listener.close()
        remove_unix(self.config.address)


class Server:
    """Serves `handler` on listeners. `clock` is monotonic seconds."""

    def __init__(
        self,
        handler: Handler,
        *,
        limits: LimitsConfig = LimitsConfig(),  # noqa: B008 - frozen
        trusted_proxies: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
        workers: int = WORKERS,
    ) -> None:
        """Raises ValueError for a proxy that is no network."""
        self._pool = SendPool(workers)
        self._shared = Shared(
            handler=handler,
            limits=limits,
            trusted_proxies=trusted_proxies,
            clock=clock,
            pool=self._pool,
        )
        self._doors: dict[str, _Door] = {}
        self._arriving: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def counters(self) -> Counters:
        return self._shared.counters

    @property
    def open_connections(self) -> int:
        return len(self._shared.connections)

    @property
    def addresses(self) -> Mapping[str, tuple[str, ...]]:
        """Where each listener is bound: `HOST:PORT` with the port that the kernel chose, or the
        configured `unix:` address."""
        return {name: door.addresses for name, door in self._doors.items()}

    async def start(self, listeners: Sequence[ListenerConfig]) -> None:
        """Raises OSError for an address that cannot be bound, ValueError for a certificate that
        cannot be used; nothing listens then."""
        await self.reload(listeners)
        # glibc gives a block above its mmap threshold back at once, and faults it in again for the
        # next chunk; freeing one large block raises that threshold (mallopt(3)) for good. For TLS
        # this halves the cost of a byte.
        bytearray(MALLOC_BLOCK)
        self._sweeper = asyncio.create_task(self._sweep())

    async def reload(
        self,
        listeners: Sequence[ListenerConfig],
        *,
        limits: LimitsConfig | None = None,
        trusted_proxies: Iterable[str] | None = None,
        switch: Callable[[], None] = lambda: None,
    ) -> None:
        """Serve these listeners from now on, certificates read anew. Connections that are there
        live on, also those of a listener that is gone. `switch` is called when nothing can fail any
        more, before anybody is accepted. Raises as `start`, and has changed nothing then."""
        proxies = None if trusted_proxies is None else TrustedProxies(trusted_proxies)
        views = {config.name: listening(config) for config in listeners}
        contexts = {
            config.name: server_context(config.tls) if config.tls is not None else None
            for config in listeners
        }
        doors, fresh = self._open(listeners)
        # By identity: a listener may have a new name at its old address.
        kept = {id(door) for door in doors.values()}
        stopped = [door for door in self._doors.values() if id(door) not in kept]
        if proxies is not None:
            self._shared.proxies = proxies
        if limits is not None:
            self._shared.limits = limits
        self._doors = doors
        switch()
        for config in listeners:
            door = doors[config.name]
            door.config = config
            if door not in fresh:
                door.stop()
            await self._accept(door, views[config.name], contexts[config.name])
        for door in stopped:
            door.close()

    def _open(self, listeners: Sequence[ListenerConfig]) -> tuple[dict[str, _Door], list[_Door]]:
        """A door for each listener: the one that is at its address, or a new one."""
        at: dict[str, list[_Door]] = {}
        for door in self._doors.values():
            at.setdefault(door.config.address, []).append(door)
        doors: dict[str, _Door] = {}
        fresh: list[_Door] = []
        try:
            for config in listeners:
                held = at.get(config.address)
                if not held:
                    fresh.append(_Door(config))
                doors[config.name] = held.pop(0) if held else fresh[-1]
        except BaseException:
            for door in fresh:
                door.close()
            raise
        return doors, fresh

    async def _accept(self, door: _Door, view: Listening, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        shared = self._shared
        handshake = None if context is None else shared.limits.header_timeout
        shutdown = None if context is None else TLS_SHUTDOWN

        async def arrived(client: socket.socket, address: str | None) -> None:
            await loop.connect_accepted_socket(
                lambda: Connection(shared, view, loop, address),
                client,
                ssl=context,
                ssl_handshake_timeout=handshake,
                ssl_shutdown_timeout=shutdown,
            )

        for listener in door.sockets:
            copy = listener.dup()
            copy.setblocking(False)
            # a unix server of asyncio's own would remove the socket's path when it is swapped
            if door.config.proxy_protocol or listener.family == socket.AF_UNIX:
                proxied = door.config.proxy_protocol
                door.tasks.append(asyncio.create_task(self._accept_bare(copy, arrived, proxied)))
                continue
            server = await loop.create_server(
                lambda: Connection(shared, view, loop),
                sock=copy,
                backlog=BACKLOG,
                ssl=context,
                ssl_handshake_timeout=handshake,
                ssl_shutdown_timeout=shutdown,
            )
            door.servers.append(server)

    async def _accept_bare(self, listener: socket.socket, arrived: Arrived, proxied: bool) -> None:
        shared = self._shared
        with listener:
            await accept(
                listener,
                arrived,
                trusts=lambda client: proxied and shared.proxies.trusts(_address_of(client)),
                timeout=lambda: shared.limits.header_timeout,
                arriving=self._arriving,
            )

    async def _sweep(self) -> None:
        while True:
            limits = self._shared.limits
            shortest = min(limits.header_timeout, limits.idle_timeout, limits.send_timeout)
            await asyncio.sleep(min(1.0, max(0.02, shortest / 4)))
            try:
                self._shared.sweep()
            except Exception:
                log.exception("the sweep of deadlines failed")

    async def close(self, drain: float) -> None:
        """Accept nobody, close idle connections, let answers that have begun go on for `drain`
        seconds, then cut what is left. Idempotent."""
        shared = self._shared
        shared.draining = True
        for door in self._doors.values():
            door.close()
        self._doors = {}
        for connection in tuple(shared.connections):
            connection.retire()
        deadline = shared.clock() + drain
        while shared.connections and shared.clock() < deadline:
            await asyncio.sleep(0.02)
        await self._cut_all()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeper
            self._sweeper = None
        await asyncio.to_thread(self._pool.close)

    async def _cut_all(self) -> None:
        tasks = list(self._arriving)
        for task in tasks:
            task.cancel()
        for connection in tuple(self._shared.connections):
            running = connection.task
            connection.cut()
            if running is not None:
                running.cancel()
                tasks.append(running)
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for _ in range(50):
            if not self._shared.connections:
                return
            await asyncio.sleep(0.01)


async def serve(
    listeners: Sequence[ListenerConfig],
    handler: Handler,
    *,
    limits: LimitsConfig = LimitsConfig(),  # noqa: B008 - frozen
    trusted_proxies: Iterable[str] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Server:
    """Start serving; `close` ends it."""
    server = Server(handler, limits=limits, trusted_proxies=trusted_proxies, clock=clock)
    try:
        await server.start(listeners)
    except BaseException:
        await server.close(0)
        raise
    return server


def _spelled(listener: socket.socket) -> str:
    name = listener.getsockname()
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def _address_of(client: socket.socket) -> str:
    if client.family == socket.AF_UNIX:
        return UNIX
    try:
        return plain_address(client.getpeername()[0]) or UNIX
    except OSError:
        return "0.0.0.0"  # noqa: S104 - nobody: the client is gone already
