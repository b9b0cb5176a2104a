"""TLS and proxies, with real ones on loopback."""

import asyncio
import base64
import contextlib
import ssl
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from homeport.remote.client import Access, Client
from homeport.remote.errors import ForbiddenTargetError, TimedOutError, UnreachableError
from homeport.remote.transport import make_tls_context, parse_proxy
from testbed.fake_registry import FakeRegistry, Fault
from testbed.web import Authority, make_authority

MANIFEST = b'{"schemaVersion":2,"manifests":[]}'


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


def server_context(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate)
    return context


async def get(url: str, **access: Any) -> bytes:
    client = Client(Access(url=url, **{"answer_timeout": 5.0, **access}), clock=time.monotonic)
    try:
        return (await client.get_manifest("library/x", "1")).content
    finally:
        await client.close()


class Proxy:
    """An HTTP proxy (CONNECT and absolute URLs) and a SOCKS5 one; `asked` is what it was told.

    `map` sends a name to a port of loopback: names are looked up here, if at all.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.authorization: list[str] = []
        self.map: dict[str, int] = {}
        self.status = 200
        self.port = 0

    @asynccontextmanager
    async def serving(
        self, *, socks: bool = False, context: ssl.SSLContext | None = None
    ) -> AsyncIterator[None]:
        tasks: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await (self.socks if socks else self.http)(reader, writer)
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *headers = head.decode().rstrip().split("\r\n")
        self.asked.append(line)
        self.authorization += [
            text for text in headers if text.lower().startswith("proxy-authorization")
        ]
        if self.status != 200:
            writer.write(f"HTTP/1.1 {self.status} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        method, target, _ = line.split(" ")
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            to = await asyncio.open_connection("127.0.0.1", self.map.get(host, int(port)))
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            authority = target.split("/")[2]
            host, _, port = authority.partition(":")
            to = await asyncio.open_connection("127.0.0.1", self.map.get(host, int(port or 80)))
            path = "/" + target.split("/", 3)[3]
            to[1].write("\r\n".join([f"{method} {path} HTTP/1.1", *headers, "", ""]).encode())
        await pump(reader, writer, *to)

    async def socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if 2 in methods:
            writer.write(b"\x05\x02")
            _, size = await reader.readexactly(2)
            user = await reader.readexactly(size)
            password = await reader.readexactly((await reader.readexactly(1))[0])
            self.authorization.append(f"{user.decode()}:{password.decode()}")
            writer.write(b"\x01\x00")
        else:
            writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = ".".join(map(str, await reader.readexactly(4)))
        (port,) = struct.unpack("!H", await reader.readexactly(2))
        self.asked.append(f"{host}:{port}")
        if self.status != 200:
            writer.write(b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00")
            await writer.drain()
            return
        to = await asyncio.open_connection("127.0.0.1", self.map.get(host, port))
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        await pump(reader, writer, *to)


async def pump(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    there: asyncio.StreamReader,
    to: asyncio.StreamWriter,
) -> None:
    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while piece := await source.read(65536):
            target.write(piece)
            await target.drain()

    tasks = [asyncio.create_task(copy(reader, to)), asyncio.create_task(copy(there, writer))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        to.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_own_authority(authority: Authority) -> None:
    async def scenario() -> None:
        async with FakeRegistry(ssl_context=server_context(authority)) as registry:
            registry.add_manifest("library/x", MANIFEST, tag="1")
            assert await get(registry.url, ca=str(authority.ca)) == MANIFEST
            with pytest.raises(UnreachableError, match=r"signed by nobody whom we trust.*`ca`"):
                await get(registry.url)

    asyncio.run(scenario())


def test_certificate_of_another_name(authority: Authority) -> None:
    async def scenario() -> None:
        context = server_context(authority)
        async with FakeRegistry(host="127.0.0.2", ssl_context=context) as registry:
            with pytest.raises(UnreachableError, match="is for another name"):
                await get(registry.url, ca=str(authority.ca))

    asyncio.run(scenario())


def test_plain_http_where_tls_is_expected() -> None:
    async def scenario() -> None:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UnreachableError, match="does not speak TLS"):
            await get(f"https://127.0.0.1:{port}")
        server.close()

    asyncio.run(scenario())


def test_server_that_hangs_in_the_handshake() -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry:
            url = registry.url.replace("http:", "https:")
            with pytest.raises(TimedOutError, match=r"no connection .* in 0.2 seconds"):
                await get(url, connect_timeout=0.2)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "text", ["x", "", "\n-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"]
)
def test_file_without_certificates(tmp_path: Path, text: str) -> None:
    (tmp_path / "ca.pem").write_text(text)
    with pytest.raises(ValueError, match="cannot be used: it holds none"):
        Client(Access(url="https://x", ca=str(tmp_path / "ca.pem")), clock=time.monotonic)


def test_context_is_shared_until_its_file_changes(authority: Authority, tmp_path: Path) -> None:
    first = make_tls_context(None)
    assert make_tls_context(None) is first
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.ca.read_bytes())
    own = make_tls_context(str(path))
    assert own is not first
    assert make_tls_context(str(path)) is own
    path.write_bytes(authority.ca.read_bytes() * 2)
    assert make_tls_context(str(path)) is not own


def test_http_proxy() -> None:
    async def scenario() -> None:
        proxy = Proxy()
        async with FakeRegistry() as registry, proxy.serving():
            registry.add_manifest("library/x", MANIFEST, tag="1")
            proxy.map["registry.corp"] = registry.port
            through = f"http://user:p%40ss@127.0.0.1:{proxy.port}"
            assert await get("http://registry.corp", proxy=through) == MANIFEST
            assert proxy.asked == ["GET http://registry.corp/v2/library/x/manifests/1 HTTP/1.1"]
            secret = base64.b64encode(b"user:p@ss").decode()
            assert proxy.authorization == [f"Proxy-Authorization: Basic {secret}"]

    asyncio.run(scenario())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_https_through_a_proxy(authority: Authority, scheme: str) -> None:
    async def scenario() -> None:
        proxy = Proxy()
        context = server_context(authority)
        async with (
            FakeRegistry(ssl_context=context) as registry,
            proxy.serving(context=context if scheme == "https" else None),
        ):
            registry.add_manifest("library/x", MANIFEST, tag="1")
            proxy.map["gitlab.test"] = registry.port
            content = await get(
                "https://gitlab.test:4443",
                proxy=f"{scheme}://127.0.0.1:{proxy.port}",
                ca=str(authority.ca),
            )
            assert content == MANIFEST
            assert proxy.asked == ["CONNECT gitlab.test:4443 HTTP/1.1"]

    asyncio.run(scenario())


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("status", "words"), [(407, "user and a password"), (403, "through")])
def test_proxy_that_refuses(scheme: str, status: int, words: str) -> None:
    async def scenario() -> None:
        proxy = Proxy()
        proxy.status = status
        async with proxy.serving():
            through = f"http://u:hidden@127.0.0.1:{proxy.port}"
            if (scheme, status) == ("http", 403):
                return  # as good as an answer of the registry
            with pytest.raises(UnreachableError, match=words) as caught:
                await get(f"{scheme}://registry.corp", proxy=through)
            assert f"the proxy 127.0.0.1:{proxy.port}" in str(caught.value)
            assert "hidden" not in str(caught.value)

    asyncio.run(scenario())


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_proxy_looks_names_up(authority: Authority, scheme: str) -> None:
    async def scenario() -> None:
        proxy = Proxy()
        async with (
            FakeRegistry(ssl_context=server_context(authority)) as registry,
            proxy.serving(socks=True),
        ):
            registry.add_manifest("library/x", MANIFEST, tag="1")
            proxy.map["gitlab.test"] = registry.port
            content = await get(
                "https://gitlab.test",
                proxy=f"{scheme}://user:pass@127.0.0.1:{proxy.port}",
                ca=str(authority.ca),
            )
            assert content == MANIFEST
            assert proxy.asked == ["gitlab.test:443"]
            assert proxy.authorization == ["user:pass"]

    asyncio.run(scenario())


def test_socks_proxy_that_refuses() -> None:
    async def scenario() -> None:
        proxy = Proxy()
        proxy.status = 403
        async with proxy.serving(socks=True):
            with pytest.raises(UnreachableError, match=r"does not let us through to registry.corp"):
                await get("http://registry.corp", proxy=f"socks5://127.0.0.1:{proxy.port}")

    asyncio.run(scenario())


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_proxy_that_is_not_there(scheme: str) -> None:
    async def scenario() -> None:
        proxy = Proxy()
        async with proxy.serving():
            pass
        with pytest.raises(UnreachableError, match=r"the proxy 127.0.0.1:.* cannot be reached"):
            await get("http://registry.corp", proxy=f"{scheme}://127.0.0.1:{proxy.port}")

    asyncio.run(scenario())


@pytest.mark.parametrize("socks", [False, True])
def test_redirects_through_a_proxy_are_judged_by_what_is_written(socks: bool) -> None:
    async def scenario() -> None:
        proxy = Proxy()
        async with FakeRegistry() as registry, proxy.serving(socks=socks):
            proxy.map["registry.corp"] = registry.port
            scheme = "socks5" if socks else "http"
            for target in ("https://10.0.0.1/x", "https://localhost/x", "https://[::1]/x"):
                registry.on("", Fault(status=307, headers={"Location": target}), times=1)
                with pytest.raises(ForbiddenTargetError):
                    await get("http://registry.corp", proxy=f"{scheme}://127.0.0.1:{proxy.port}")
            assert len(proxy.asked) == 3

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "url", "user"),
    [
        ("http://p", "http://p:80", None),
        ("https://p:8443/", "https://p:8443", None),
        ("socks5://u:a%3Ab@p", "socks5://p:1080", "u"),
        ("socks5h://[fd00::1]:9", "socks5h://[fd00::1]:9", None),
    ],
)
def test_parse_proxy(text: str, url: str, user: str | None) -> None:
    proxy = parse_proxy(text)
    assert (proxy.url, proxy.username) == (url, user)
    assert "a:b" not in repr(proxy)


@pytest.mark.parametrize("text", ["", "p:3128", "ftp://p", "http://", "http://p/x", "http://p:x"])
def test_parse_proxy_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="proxy"):
        parse_proxy(text)
