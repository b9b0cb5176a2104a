"""Where a registry may send us, and what goes along."""

import asyncio
import socket
import time
from typing import Any

import pytest

from homeport.oci.digest import digest_of
from homeport.remote.client import Access, Client
from homeport.remote.errors import (
    FailedError,
    ForbiddenTargetError,
    TimedOutError,
    UnreachableError,
)
from testbed.fake_registry import FakeRegistry, Fault

BLOB = b"blob" * 1000


async def fetch(registry: FakeRegistry, **access: Any) -> bytes:
    digest = registry.add_blob("library/x", BLOB)
    client = Client(Access(url=registry.url, **access), clock=time.monotonic)
    try:
        async with client.open_blob("library/x", digest) as download:
            return b"".join([piece async for piece in download.chunks()])
    finally:
        await client.close()


def to(location: str, status: int = 307) -> Fault:
    return Fault(status=status, headers={"Location": location})


@pytest.mark.parametrize("listed", ["127.0.0.2", "127.0.0.0/8", "127.0.0.*", "127.0.0.2:{port}"])
def test_listed_host_gets_no_authorization_and_the_url_as_it_was(listed: str) -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry, FakeRegistry(host="127.0.0.2") as storage:
            registry.auth = "bearer"
            storage.storage["x"] = BLOB
            signed = "/storage/x?X-Sig=a%2Fb%3D+%7e&empty=&y=%20z"
            registry.on("blobs", to(storage.url + signed))
            raw = await watch_line(storage)
            hosts = (listed.format(port=storage.port),)
            assert await fetch(registry, redirect_hosts=hosts) == BLOB
            assert raw == [f"GET {signed} HTTP/1.1"]
            assert "authorization" not in storage.seen[0].headers
            assert storage.seen[0].headers["accept-encoding"] == "identity"

    async def watch_line(storage: FakeRegistry) -> list[str]:
        lines: list[str] = []
        exchange = storage._exchange

        async def watched(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
            head = await reader.readuntil(b"\r\n")
            lines.append(head.decode().strip())
            reader._buffer[0:0] = head  # type: ignore[attr-defined]
            return await exchange(reader, writer)

        storage._exchange = watched  # type: ignore[method-assign]
        return lines

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.2/x", "not encrypted"),
        ("http://93.184.216.34/x", "not encrypted"),
        ("https://127.0.0.2/x", "private network"),
        ("https://127.0.0.1:1/x", "private network"),
        ("https://[::1]/x", "private network"),
        ("https://[::ffff:169.254.169.254]/x", "private network"),
        ("https://[64:ff9b::a9fe:a9fe]/x", "private network"),
        ("https://169.254.169.254/latest/meta-data", "private network"),
        ("https://10.1.2.3/x", "private network"),
        ("https://100.100.100.200/x", "private network"),
        ("https://192.168.0.1/x", "private network"),
        ("https://0.0.0.0/x", "private network"),
        ("https://168.63.129.16/x", "private network"),
        ("https://localhost/x", "private network"),
        ("https://a.localhost/x", "private network"),
        ("ftp://example.com/x", "neither https nor http"),
        ("file:///etc/passwd", "neither https nor http"),
    ],
)
def test_unlisted_target_is_not_followed(location: str, reason: str) -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry:
            registry.on("blobs", to(location))
            with pytest.raises(ForbiddenTargetError, match=reason) as caught:
                await fetch(registry)
            assert "redirect_hosts" in str(caught.value)
            assert len(registry.seen) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "location",
    ["https://user:secret@example.com/x", "https://exam ple.com/x", "https://e.com/" + "x" * 9000],
)
def test_unusable_location(location: str) -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry:
            registry.on("blobs", to(location))
            with pytest.raises(FailedError, match="redirects to") as caught:
                await fetch(registry)
            assert "secret" not in str(caught.value)

    asyncio.run(scenario())


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["::1", "10.0.0.1"], ["::ffff:127.0.0.1"]])
def test_name_is_judged_by_the_address_that_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry, FakeRegistry() as inside:
            registry.on("blobs", to(f"https://rebind.example:{inside.port}/x"))
            names = answer_with(monkeypatch, answers)
            with pytest.raises(ForbiddenTargetError, match="private network"):
                await fetch(registry)
            assert "rebind.example" in names
            assert inside.connections == 0
            # A network in the list opens the way (as far as the TLS that is not there).
            networks = ("127.0.0.0/8", "::/0", "10.0.0.0/8")
            with pytest.raises((UnreachableError, TimedOutError)):
                await fetch(registry, redirect_hosts=networks, connect_timeout=0.5)

    asyncio.run(scenario())


def test_network_in_the_list_is_for_its_addresses_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry, FakeRegistry() as inside:
            registry.on("blobs", to(f"https://rebind.example:{inside.port}/x"))
            answer_with(monkeypatch, ["127.0.0.1"])
            with pytest.raises(ForbiddenTargetError):
                await fetch(registry, redirect_hosts=("127.0.1.0/24",))
            # A list of token services says nothing of redirects.
            with pytest.raises(ForbiddenTargetError):
                await fetch(registry, auth_hosts=("127.0.0.0/8",))
            assert inside.connections == 0

    asyncio.run(scenario())


def answer_with(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> list[str]:
    names: list[str] = []

    def look_up(host: str, port: int, *_: object, **__: object) -> list[Any]:
        names.append(host)
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in addresses
        ]

    monkeypatch.setattr("homeport.remote.resolver.socket.getaddrinfo", look_up)
    return names


def test_own_host_may_be_anything() -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry:
            registry.storage[digest_of(BLOB)] = BLOB
            registry.auth = "bearer"
            registry.blobs_at = registry.url
            assert await fetch(registry) == BLOB
            assert "authorization" in registry.seen[-1].headers

    asyncio.run(scenario())


@pytest.mark.parametrize("hops", [5, 6])
def test_five_redirects_are_followed(hops: int) -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry:
            registry.storage["x"] = BLOB
            registry.on("blobs", to("/hop/1"))
            for hop in range(1, hops - 1):
                registry.on(f"/hop/{hop}$", to(f"/hop/{hop + 1}"))
            registry.on(f"/hop/{hops - 1}$", to("/storage/x"))
            if hops == 5:
                assert await fetch(registry) == BLOB
            else:
                with pytest.raises(FailedError, match="more than 5 times"):
                    await fetch(registry)
                assert len(registry.seen) == 6

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [403, 404])
def test_refusal_of_the_storage_is_none_of_the_registry(status: int) -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry, FakeRegistry(host="127.0.0.2") as storage:
            registry.blobs_at = storage.url
            expired = b"<Error><Code>AccessDenied</Code></Error>"
            fault = Fault(status=status, body=expired, media_type="application/xml")
            storage.on("storage", fault, times=1)
            with pytest.raises(FailedError) as caught:
                await fetch(registry, redirect_hosts=("127.0.0.2",))
            assert caught.value.host == f"127.0.0.2:{storage.port}"
            assert "signature" not in str(caught.value)

    asyncio.run(scenario())


def test_head_where_the_storage_signs_for_get_alone() -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry, FakeRegistry(host="127.0.0.2") as storage:
            digest = registry.add_blob("library/x", BLOB)
            storage.storage[digest] = BLOB
            registry.on("blobs", to(f"{storage.url}/storage/{digest}"))
            storage.on("", Fault(status=403, media_type="application/xml"), method="HEAD")
            access = Access(url=registry.url, redirect_hosts=("127.0.0.2",))
            client = Client(access, clock=time.monotonic)
            assert await client.head_blob("library/x", digest) == len(BLOB)
            await client.close()
            assert [seen.method for seen in storage.seen] == ["HEAD", "GET"]
            assert storage.seen[-1].headers["range"] == "bytes=0-0"

    asyncio.run(scenario())


def test_every_download_asks_the_registry_again() -> None:
    async def scenario() -> None:
        async with FakeRegistry() as registry, FakeRegistry(host="127.0.0.2") as storage:
            digest = registry.add_blob("library/x", BLOB)
            storage.storage[digest] = BLOB
            registry.blobs_at = storage.url
            access = Access(url=registry.url, redirect_hosts=("127.0.0.2",))
            client = Client(access, clock=time.monotonic)
            for start in (0, 100):
                async with client.open_blob("library/x", digest, start=start) as download:
                    assert download.start == start
                    got = b"".join([piece async for piece in download.chunks()])
                    assert got == BLOB[start:]
            await client.close()
            assert len(registry.asked("blobs")) == 2
            assert [seen.query["signature"] for seen in storage.seen] == ["1", "2"]

    asyncio.run(scenario())
