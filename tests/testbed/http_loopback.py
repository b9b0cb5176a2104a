"""The mirror's HTTP side on loopback with a scripted flow, and a raw client."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from msgspec import Struct
from msgspec.structs import replace

from homeport.mirror.http.server import Server, serve
from homeport.mirror.model.config import LimitsConfig, ListenerConfig
from homeport.mirror.model.exchange import Reply, Request

Answer = Callable[[Request], Awaitable[Reply]]


class Finished(Struct):
    request: Request
    reply: Reply
    sent: int
    complete: bool


class ScriptedFlow:
    """Answers as told, and remembers; `bodies` are what requests brought."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.finished: list[Finished] = []

    async def handle(self, request: Request) -> Reply:
        self.requests.append(request)
        return await self.answer(request)

    def finish(self, request: Request, reply: Reply, *, sent: int, complete: bool) -> None:
        self.finished.append(Finished(request, reply, sent, complete))

    async def wait_finished(self, count: int = 1) -> list[Finished]:
        async with asyncio.timeout(5):
            while len(self.finished) < count:
                await asyncio.sleep(0.005)
        return self.finished


class Heard(Struct):
    """An answer as a client reads it. `whole` False: the connection ended before the body did."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        with suppress(RuntimeError):  # uvloop's word for a connection that the server closed
            self.writer.write(data)

    async def hear(self, *, head: bool = False) -> Heard:
        async with asyncio.timeout(10):
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = text.split("\r\n")[:-2]
            headers = {
                name.lower(): value for name, _, value in (ln.partition(": ") for ln in lines)
            }
            status = int(first.split()[1])
            if head or status in (100, 204, 304):
                return Heard(status, headers, b"", True)
            body, whole = await self._body(headers)
            return Heard(status, headers, body, whole)

    async def _body(self, headers: dict[str, str]) -> tuple[bytes, bool]:
        body = b""
        try:
            if "content-length" in headers:
                return await self.reader.readexactly(int(headers["content-length"])), True
            if headers.get("transfer-encoding") == "chunked":
                while size := int(await self.reader.readuntil(b"\r\n"), 16):
                    body += (await self.reader.readexactly(size + 2))[:-2]
                await self.reader.readexactly(2)
                return body, True
            while part := await self.reader.read(65536):
                body += part
        except asyncio.IncompleteReadError as error:
            return body + error.partial, False
        except ConnectionError:
            return body, False
        return body, True

    async def ask(self, method: str, path: str, *lines: str, body: bytes = b"") -> Heard:
        text = "".join(f"{line}\r\n" for line in lines)
        if body:
            text += f"Content-Length: {len(body)}\r\n"
        self.send(f"{method} {path} HTTP/1.1\r\nHost: mirror.test\r\n{text}\r\n".encode() + body)
        return await self.hear(head=method == "HEAD")

    async def ended(self, within: float = 5.0) -> bytes:
        """What comes until the server closes; TimeoutError if it does not."""
        data = b""
        async with asyncio.timeout(within):
            with suppress(ConnectionError):
                while part := await self.reader.read(65536):
                    data += part
        return data

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError, TimeoutError):
            async with asyncio.timeout(2):
                await self.writer.wait_closed()


class Loopback:
    def __init__(self, server: Server, flow: ScriptedFlow) -> None:
        self.server, self.flow = server, flow
        self._clients: list[Client] = []

    @property
    def port(self) -> int:
        return int(self.server.addresses["test"][0].rpartition(":")[2])

    async def connect(self, *, tls: ssl.SSLContext | None = None) -> Client:
        name = "localhost" if tls else None
        client = Client(
            *await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, server_hostname=name)
        )
        self._clients.append(client)
        return client

    async def close_clients(self) -> None:
        for client in self._clients:
            await client.close()


@asynccontextmanager
async def loopback(
    answer: Answer,
    *,
    listener: ListenerConfig | None = None,
    limits: LimitsConfig | None = None,
    trusted_proxies: tuple[str, ...] = (),
) -> AsyncIterator[Loopback]:
    flow = ScriptedFlow(answer)
    config = listener or ListenerConfig(name="test", address="127.0.0.1:0")
    config = replace(config, name="test", address=config.address or "127.0.0.1:0")
    server = await serve(
        [config], flow, limits=limits or LimitsConfig(), trusted_proxies=trusted_proxies
    )
    around = Loopback(server, flow)
    try:
        yield around
    finally:
        await around.close_clients()
        await server.close(0)
