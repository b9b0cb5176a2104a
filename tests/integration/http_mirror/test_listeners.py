"""TLS and its reload, PROXY v2, unix sockets, drain."""

import asyncio
import datetime
import os
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from homeport.mirror.http import ca
from homeport.mirror.http.proxy_protocol import SIGNATURE
from homeport.mirror.http.server import serve
from homeport.mirror.model.config import LimitsConfig, ListenerConfig, TlsConfig
from homeport.mirror.model.exchange import FileBody, Reply, Request, StreamBody
from testbed.http_loopback import Client, ScriptedFlow, loopback

Run = Callable[[Any], None]
NOW = datetime.datetime.now(datetime.UTC)
GET = b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n"


async def fine(_: Request) -> Reply:
    return Reply(status=200, body=b"fine")


class Authority:
    """A CA with a server's certificate, and clients that trust it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ca.init(folder, name="test", now=NOW)
        self.server = ca.Pair(folder / "server.pem", folder / "server.key")
        ca.issue(folder, self.server, hosts=["localhost"], now=NOW)

    def tls(self, **more: Any) -> TlsConfig:
        return TlsConfig(certificate=str(self.server.certificate), key=str(self.server.key), **more)

    def client(self, name: str | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(ca.authority(self.folder).certificate))
        if name is not None:
            pair = ca.Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
            if not pair.key.exists():
                ca.issue(self.folder, pair, hosts=[name], now=NOW, client=True)
            context.load_cert_chain(pair.certificate, pair.key)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def listener(**more: Any) -> ListenerConfig:
    return ListenerConfig(name="test", address=more.pop("address", "127.0.0.1:0"), **more)


def test_tls_serves_bytes_files_and_streams(run: Run, authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(os.urandom(5_000_000))

    async def answer(request: Request) -> Reply:
        if request.query["kind"] == "bytes":
            return Reply(status=200, body=b"fine")
        if request.query["kind"] == "file":
            file = os.open(path, os.O_RDONLY)
            body = FileBody(
                descriptor=file, offset=1, length=4_999_999, close=lambda: os.close(file)
            )
            return Reply(status=200, body=body)

        async def chunks() -> AsyncIterator[bytes]:
            yield path.read_bytes()

        async def close() -> None:
            pass

        return Reply(status=200, body=StreamBody(chunks=chunks(), length=None, close=close))

    async def scenario() -> None:
        async with loopback(answer, listener=listener(tls=authority.tls())) as around:
            client = await around.connect(tls=authority.client())
            for kind, expected in (
                ("bytes", b"fine"),
                ("file", path.read_bytes()[1:]),
                ("stream", path.read_bytes()),
                ("file", path.read_bytes()[1:]),
            ):
                client.send(GET.replace(b"/v2/", f"/v2/?kind={kind}".encode()))
                assert (await client.hear()).body == expected
            request = around.flow.requests[0]
            assert (request.scheme, request.certificate) == ("https", None)
            finished = await around.flow.wait_finished(4)
            assert all(done.complete for done in finished)

    run(scenario())


def test_client_certificates(run: Run, authority: Authority) -> None:
    bundle = str(ca.authority(authority.folder).certificate)

    async def scenario() -> None:
        optional = listener(tls=authority.tls(client_ca=bundle))
        async with loopback(fine, listener=optional) as around:
            for name in ("robot-1", None):
                client = await around.connect(tls=authority.client(name))
                client.send(GET)
                assert (await client.hear()).status == 200
            named, nameless = around.flow.requests
            assert named.certificate is not None
            assert named.certificate["commonName"] == "robot-1"
            assert nameless.certificate is None
        required = listener(tls=authority.tls(client_ca=bundle, client_required=True))
        async with loopback(fine, listener=required) as around:

            async def nameless_request() -> None:
                client = await around.connect(tls=authority.client())
                client.send(GET)
                await client.hear()

            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await nameless_request()
            assert around.flow.requests == []

    run(scenario())


def test_a_new_certificate_breaks_no_connection(run: Run, authority: Authority) -> None:
    async def scenario() -> None:
        config = listener(tls=authority.tls())
        async with loopback(fine, listener=config) as around:
            old = await around.connect(tls=authority.client())
            old.send(GET)
            await old.hear()
            before = old.writer.get_extra_info("peercert")["serialNumber"]
            port = around.port
            ca.renew(authority.folder, authority.server, now=NOW)
            await around.server.reload([config])
            assert around.port == port
            new = await around.connect(tls=authority.client())
            assert new.writer.get_extra_info("peercert")["serialNumber"] != before
            for client in (old, new):
                client.send(GET)
                assert (await client.hear()).status == 200
            # a broken one changes nothing
            authority.server.certificate.write_text("nonsense")
            with pytest.raises(ValueError, match="certificate"):
                await around.server.reload([config])
            again = await around.connect(tls=authority.client())
            again.send(GET)
            assert (await again.hear()).status == 200

    run(scenario())


def test_reload_under_load_loses_nobody(run: Run) -> None:
    async def scenario() -> None:
        config = listener()
        async with loopback(fine, listener=config) as around:
            stop = asyncio.Event()
            served: list[int] = []

            async def ask() -> None:
                while not stop.is_set():
                    client = await around.connect()
                    client.send(GET)
                    served.append((await client.hear()).status)
                    await client.close()

            async with asyncio.TaskGroup() as group:
                for _ in range(4):
                    group.create_task(ask())
                for _ in range(20):
                    await asyncio.sleep(0.02)
                    await around.server.reload([config], limits=LimitsConfig())
                stop.set()
            assert len(served) > 20
            assert set(served) == {200}

    run(scenario())


def test_listeners_come_and_go(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        first = listener()
        async with loopback(fine, listener=first) as around:
            client = await around.connect()
            client.send(GET)
            await client.hear()
            path = tmp_path / "mirror.sock"
            second = ListenerConfig(name="local", address=f"unix:{path}")
            await around.server.reload([first, second])
            with pytest.raises(OSError, match=r"."):
                await around.server.reload([ListenerConfig(name="x", address="192.0.2.1:1")])
            assert set(around.server.addresses) == {"test", "local"}
            local = Client(*await asyncio.open_unix_connection(path))
            local.send(GET)
            assert (await local.hear()).status == 200
            assert around.flow.requests[-1].address == "unix"
            await local.close()
            await around.server.reload([second])
            assert set(around.server.addresses) == {"local"}
            client.send(GET)  # a connection of a listener that is gone lives on
            assert (await client.hear()).status == 200
            local = Client(*await asyncio.open_unix_connection(path))
            local.send(GET)
            assert (await local.hear()).status == 200
            await local.close()
        assert not path.exists()

    run(scenario())


def proxied(address: str) -> bytes:
    rest = ip_address(address).packed + ip_address("127.0.0.1").packed + struct.pack(">HH", 1, 2)
    return SIGNATURE + b"\x21\x11" + struct.pack(">H", len(rest)) + rest


@pytest.mark.parametrize("secure", [False, True])
def test_proxy_protocol(run: Run, authority: Authority, secure: bool) -> None:
    async def scenario() -> None:
        config = listener(proxy_protocol=True, tls=authority.tls() if secure else None)
        trusted = ("127.0.0.1",)
        async with loopback(fine, listener=config, trusted_proxies=trusted) as around:
            reader, writer = await asyncio.open_connection("127.0.0.1", around.port)
            writer.write(proxied("192.0.2.7"))
            if secure:
                await writer.start_tls(authority.client(), server_hostname="localhost")
            client = Client(reader, writer)
            client.send(GET)
            assert (await client.hear()).status == 200
            assert around.flow.requests[0].address == "192.0.2.7"
            await client.close()
            # a trusted proxy that sends none is not served: nobody guesses
            bare = await around.connect()
            bare.send(GET)
            assert await bare.ended(2) == b""
        async with loopback(fine, listener=config) as around:
            stranger = await around.connect()
            stranger.send(proxied("192.0.2.7") + GET)
            answer = await stranger.ended(2)
            assert answer == b"" if secure else answer.startswith(b"HTTP/1.1 400 ")
            assert around.flow.requests == []

    run(scenario())


def test_a_proxy_header_that_does_not_come(run: Run) -> None:
    async def scenario() -> None:
        async with loopback(
            fine,
            listener=listener(proxy_protocol=True),
            trusted_proxies=("127.0.0.1",),
            limits=LimitsConfig(header_timeout=0.2),
        ) as around:
            client = await around.connect()
            client.send(SIGNATURE)
            assert await client.ended(2) == b""

    run(scenario())


def test_drain_finishes_what_has_begun(run: Run) -> None:
    async def scenario() -> None:
        let_go = asyncio.Event()

        async def answer(_: Request) -> Reply:
            await let_go.wait()
            return Reply(status=200, body=b"done")

        flow = ScriptedFlow(answer)
        server = await serve([listener()], flow)
        port = int(server.addresses["test"][0].rpartition(":")[2])
        busy, idle, upload = [
            Client(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(3)
        ]
        busy.send(GET)
        while not flow.requests:
            await asyncio.sleep(0.01)
        closing = asyncio.create_task(server.close(5))
        assert await idle.ended(2) == b""
        with pytest.raises(OSError, match=r"."):
            await asyncio.open_connection("127.0.0.1", port)
        let_go.set()
        heard = await busy.hear()
        assert (heard.body, heard.headers["connection"]) == (b"done", "close")
        await asyncio.wait_for(closing, 2)
        assert flow.finished[0].complete
        for client in (busy, idle, upload):
            await client.close()
        await server.close(5)

    run(scenario())


def test_an_upload_goes_on_while_draining(run: Run) -> None:
    async def scenario() -> None:
        async def answer(request: Request) -> Reply:
            assert request.body is not None
            parts = [part async for part in request.body]
            return Reply(status=201, body=b"".join(parts))

        flow = ScriptedFlow(answer)
        server = await serve([listener()], flow)
        port = int(server.addresses["test"][0].rpartition(":")[2])
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        client.send(b"PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        while not flow.requests:
            await asyncio.sleep(0.01)
        closing = asyncio.create_task(server.close(5))
        await asyncio.sleep(0.1)
        client.send(b"def")
        heard = await client.hear()
        assert (heard.status, heard.body) == (201, b"abcdef")
        await asyncio.wait_for(closing, 2)
        await client.close()

    run(scenario())


def test_what_does_not_end_is_cut_after_the_drain(run: Run) -> None:
    async def scenario() -> None:
        async def answer(_: Request) -> Reply:
            await asyncio.sleep(60)
            return Reply(status=200)

        flow = ScriptedFlow(answer)
        server = await serve([listener()], flow)
        port = int(server.addresses["test"][0].rpartition(":")[2])
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        client.send(GET)
        while not flow.requests:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(server.close(0.2), 3)
        assert [done.complete for done in flow.finished] == [False]
        with suppress(ConnectionError):
            assert await client.ended(2) == b""
        await client.close()

    run(scenario())


def test_an_address_in_use_is_said(run: Run) -> None:
    async def scenario() -> None:
        async with loopback(fine) as around:
            taken = ListenerConfig(name="again", address=f"127.0.0.1:{around.port}")
            with pytest.raises(OSError, match="in use"):
                await serve([taken], ScriptedFlow(fine))
            with pytest.raises(ValueError, match="no HOST:PORT"):
                await serve([ListenerConfig(name="x", address="nonsense")], ScriptedFlow(fine))

    run(scenario())
