"""Hostile and idle connections: what they may cost."""

import asyncio
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from homeport.mirror.model.config import LimitsConfig
from homeport.mirror.model.exchange import Reply, Request
from testbed.http_loopback import loopback

Run = Callable[[Any], None]
QUICK = LimitsConfig(header_timeout=0.3, idle_timeout=0.6, send_timeout=0.4)
GET = b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n"


async def fine(request: Request) -> Reply:
    if request.body is not None:
        async for _ in request.body:
            pass
    return Reply(status=200, body=b"fine")


def test_a_head_that_trickles_in_is_cut_off(run: Run) -> None:
    async def scenario() -> None:
        async with loopback(fine, limits=QUICK) as around:
            silent, slow, second = [await around.connect() for _ in range(3)]
            second.send(GET)
            assert (await second.hear()).status == 200

            async def trickle(text: bytes) -> None:
                for at in range(len(text)):
                    slow.send(text[at : at + 1])
                    second.send(text[at : at + 1])
                    await asyncio.sleep(0.03)

            trickling = asyncio.create_task(trickle(GET * 3))
            assert await silent.ended(2) == b""
            assert (await slow.ended(2)).startswith(b"HTTP/1.1 408 ")
            assert (await second.ended(2)).startswith(b"HTTP/1.1 408 ")
            trickling.cancel()
            assert around.server.counters.timed_out == 3
            assert len(around.flow.requests) == 1

    run(scenario())


def test_an_idle_connection_is_closed_later(run: Run) -> None:
    async def scenario() -> None:
        async with loopback(fine, limits=QUICK) as around:
            client = await around.connect()
            client.send(GET)
            await client.hear()
            await asyncio.sleep(0.4)  # beyond the time for a head, which has not begun
            client.send(GET)
            assert (await client.hear()).status == 200
            assert await client.ended(2) == b""

    run(scenario())


def test_a_body_that_stops_coming_ends_the_request(run: Run) -> None:
    async def scenario() -> None:
        async with loopback(fine, limits=QUICK) as around:
            client = await around.connect()
            client.send(
                b"PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"
            )
            heard = await client.hear()
            assert (heard.status, heard.headers["connection"]) == (408, "close")
            [done] = await around.flow.wait_finished()
            assert done.reply.status == 408

    run(scenario())


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n", b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
        (b"GET /v2/\r\n\r\n", b"400"),
        (b"GET /v2/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (
            GET[:-2] + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"400",
        ),
        (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"GET /v2/ HTTP/1.1\r\nHost : a\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"4"),
        (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"4"),
        (b"GET /v2/ HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"4"),
        (
            b"GET /v2/ HTTP/1.1\r\nHost: a\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 20 + b"\r\n",
            b"431",
        ),
        (b"x" * 100_000, b"4"),
    ],
)
def test_what_is_no_request_is_refused(run: Run, data: bytes, status: bytes) -> None:
    async def scenario() -> None:
        async with loopback(fine) as around:
            client = await around.connect()
            client.send(data)
            answer = await client.ended(2)
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert answer.count(b"HTTP/1.1 4") == 1
            assert around.flow.requests == []
            # in small pieces it is the same
            client = await around.connect()
            for at in range(0, min(len(data), 30_000), 997):
                client.send(data[at : at + 997])
                await asyncio.sleep(0)
            assert (await client.ended(2)).startswith((b"HTTP/1.1 " + status, b""))
            assert around.flow.requests == []

    run(scenario())


def test_garbage_after_a_request_does_not_harm_its_answer(run: Run) -> None:
    async def scenario() -> None:
        async with loopback(fine) as around:
            client = await around.connect()
            client.send(GET)
            assert (await client.hear()).status == 200
            client.send(GET + GET)
            assert (await client.hear()).status == 200
            assert (await client.hear()).status == 200
            client.send(b"\0\0garbage\r\n\r\n")
            assert (await client.ended(2)).startswith(b"HTTP/1.1 400 ")
            assert len(around.flow.requests) == 3

    run(scenario())


def test_upgrades_are_not_taken(run: Run) -> None:
    async def scenario() -> None:
        async with loopback(fine) as around:
            for kind in (b"h2c", b"websocket"):
                client = await around.connect()
                client.send(
                    GET[:-2]
                    + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: "
                    + kind
                    + b"\r\n\r\n"
                )
                assert (await client.hear()).status == 200

    run(scenario())


def test_one_address_has_so_many_connections(run: Run) -> None:
    async def scenario() -> None:
        limits = LimitsConfig(connections_per_address=3)
        async with loopback(fine, limits=limits) as around:
            clients = [await around.connect() for _ in range(3)]
            for client in clients:
                client.send(GET)
                assert (await client.hear()).status == 200
            extra = await around.connect()
            assert (await extra.ended(2)).startswith(b"HTTP/1.1 429 ")
            assert around.server.counters.refused == 1
            await clients[0].close()
            await asyncio.sleep(0.05)
            client = await around.connect()
            client.send(GET)
            assert (await client.hear()).status == 200
        async with loopback(fine, limits=limits, trusted_proxies=("127.0.0.1",)) as around:
            for _ in range(5):
                client = await around.connect()
                client.send(GET)
                assert (await client.hear()).status == 200

    run(scenario())


MEMORY = """
import asyncio, sys
import uvloop
from testbed.http_loopback import loopback
from homeport.mirror.model.config import LimitsConfig
from homeport.mirror.model.exchange import Reply

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

async def fine(request):
    return Reply(status=200, body=b"fine")

async def main():
    async with loopback(fine, limits=LimitsConfig(connections_per_address=10_000)) as around:
        async def opened(count):
            program = f'''
import socket, sys
ends = []
for _ in range({count}):
    end = socket.create_connection(("127.0.0.1", {around.port}))
    end.sendall(b"GET /v2/ HTTP/1.1\\\\r\\\\nHost: a\\\\r\\\\n\\\\r\\\\n")
    end.recv(1000)
    ends.append(end)
print("open", flush=True)
sys.stdin.read()
'''
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )
            await process.stdout.readline()
            return process
        first = await opened(50)
        before = resident()
        second = await opened(500)
        after = resident()
        assert around.server.open_connections == 550
        print((after - before) // 500)
        for process in (first, second):
            process.stdin.close()
            await process.wait()

uvloop.run(main())
"""


def test_an_idle_connection_costs_little_memory() -> None:
    here = Path(__file__).parents[2]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip(f"{hard} open files are too few")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY],
        cwd=here,
        env={"PYTHONPATH": str(here), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard)),
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20_000, f"{done.stdout.strip()} bytes for each idle connection"
