"""Look-ups in threads of one's own."""

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from homeport.remote.client import Access, Client
from homeport.remote.errors import TimedOutError, UnreachableError
from homeport.remote.resolver import Resolver


def test_one_look_up_for_many_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []

    def look_up(host: str, port: int, *_: object, **__: object) -> list[Any]:
        names.append(host)
        time.sleep(0.05)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    monkeypatch.setattr("homeport.remote.resolver.socket.getaddrinfo", look_up)

    async def scenario() -> None:
        resolver = Resolver()
        impatient = asyncio.create_task(resolver.resolve("h.example", 443))
        await asyncio.sleep(0)
        others = [asyncio.create_task(resolver.resolve("h.example", 443)) for _ in range(5)]
        await asyncio.sleep(0)
        impatient.cancel()
        found = await asyncio.gather(*others)
        assert [answers[0]["host"] for answers in found] == ["192.0.2.1"] * 5
        assert names == ["h.example"]
        await resolver.resolve("h.example", 443)
        assert len(names) == 2

    asyncio.run(scenario())


def test_name_server_that_hangs_holds_its_own_threads_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go = threading.Event()

    def hang(*_: object, **__: object) -> list[Any]:
        go.wait(5)
        return []

    monkeypatch.setattr("homeport.remote.resolver.socket.getaddrinfo", hang)

    async def scenario() -> None:
        resolver = Resolver()
        tasks = [asyncio.create_task(resolver.resolve(f"h{n}.example", 1)) for n in range(8)]
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="does not answer"):
            await resolver.resolve("h9.example", 1)
        # The loop's own threads are free.
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), 1.0) == 7
        go.set()
        assert await asyncio.gather(*tasks) == [[]] * 8

    try:
        asyncio.run(scenario())
    finally:
        go.set()


def test_slow_name_server_is_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def hang(*_: object, **__: object) -> list[Any]:
        go.wait(5)
        return []

    monkeypatch.setattr("homeport.remote.resolver.socket.getaddrinfo", hang)

    async def scenario() -> None:
        client = Client(Access(url="https://h.example", answer_timeout=0.1), clock=time.monotonic)
        with pytest.raises(TimedOutError):
            await client.ping()
        go.set()
        await asyncio.sleep(0.02)
        await client.close()

    try:
        asyncio.run(scenario())
    finally:
        go.set()


def test_name_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("homeport.remote.resolver.socket.getaddrinfo", unknown)

    async def scenario() -> None:
        client = Client(Access(url="https://registry-1docker.io"), clock=time.monotonic)
        with pytest.raises(
            UnreachableError, match=r"registry-1docker\.io has no address: its name"
        ):
            await client.get_manifest("library/x", "1")
        await client.close()

    asyncio.run(scenario())
