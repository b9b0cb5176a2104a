"""Files, streams, and clients that are slow or go away."""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from homeport.mirror.errors import CutError
from homeport.mirror.model.config import LimitsConfig
from homeport.mirror.model.exchange import FileBody, Reply, Request, StreamBody
from testbed.http_loopback import Client, Loopback, loopback

Run = Callable[[Any], None]
SIZE = 12 * 1024**2
GET = b"GET /v2/a/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n"


class Files:
    """Replies with a file, and counts what was closed."""

    def __init__(self, path: Path, **more: Any) -> None:
        self.path, self.more = path, more
        self.opened = self.closed = 0
        self.offset, self.length = 0, path.stat().st_size

    async def __call__(self, request: Request) -> Reply:
        if request.query.get("small"):
            return Reply(status=200, body=b"small")
        file = os.open(self.path, os.O_RDONLY)
        self.opened += 1

        def close() -> None:
            os.close(file)
            self.closed += 1

        body = FileBody(
            descriptor=file, offset=self.offset, length=self.length, close=close, **self.more
        )
        return Reply(status=200, headers={"Content-Type": "application/octet-stream"}, body=body)


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(os.urandom(SIZE))
    return path


def slow_client(port: int, *, window: int = 4096) -> socket.socket:
    """One with a small receive buffer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    client.connect(("127.0.0.1", port))
    return client


def test_a_file_and_then_another_request(run: Run, blob: Path) -> None:
    async def scenario() -> None:
        files = Files(blob)
        async with loopback(files) as around:
            client = await around.connect()
            client.send(GET + GET.replace(b"/x ", b"/x?small=1 "))
            heard = await client.hear()
            assert heard.body == blob.read_bytes()
            assert heard.headers["content-length"] == str(SIZE)
            assert (await client.hear()).body == b"small"
            first, _ = await around.flow.wait_finished(2)
            assert (first.sent, first.complete) == (SIZE, True)
            assert (files.opened, files.closed) == (1, 1)

    run(scenario())


@pytest.mark.parametrize("length", [0, 1, 1000, 64 * 1024, 64 * 1024 + 1, 3 * 1024**2])
def test_a_part_of_a_file(run: Run, blob: Path, length: int) -> None:
    async def scenario() -> None:
        files = Files(blob)
        files.offset, files.length = 4321, length
        async with loopback(files) as around:
            client = await around.connect()
            for _ in range(2):
                client.send(GET)
                heard = await client.hear()
                assert heard.body == blob.read_bytes()[4321 : 4321 + length]
            client.send(GET.replace(b"GET", b"HEAD"))
            heard = await client.hear(head=True)
            assert length == 0 or heard.headers["content-length"] == str(length)
            await around.flow.wait_finished(3)
            assert files.closed == 3

    run(scenario())


def test_many_downloads_share_the_threads(run: Run, blob: Path) -> None:
    async def scenario() -> None:
        files = Files(blob)
        content = blob.read_bytes()
        async with loopback(files) as around:

            async def download() -> None:
                client = await around.connect()
                client.send(GET)
                assert (await client.hear()).body == content

            async with asyncio.TaskGroup() as group:
                for _ in range(20):
                    group.create_task(download())
            await around.flow.wait_finished(20)
            assert files.closed == 20

    run(scenario())


def test_slow_clients_hold_no_thread(run: Run, blob: Path) -> None:
    async def scenario() -> None:
        files = Files(blob)
        async with loopback(files) as around:
            slow = [slow_client(around.port) for _ in range(20)]
            for one in slow:
                one.sendall(GET)
            while files.opened < 20:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            client = await around.connect()
            async with asyncio.timeout(5):
                client.send(GET)
                assert len((await client.hear()).body) == SIZE
            for one in slow:
                one.close()
            await around.flow.wait_finished(21)
            assert files.closed == 21
            assert sum(done.complete for done in around.flow.finished) == 1

    run(scenario())


def test_who_takes_nothing_is_cut_and_who_is_slow_is_not(run: Run, blob: Path) -> None:
    taken: list[int] = []

    def sip(client: socket.socket, seconds: list[float]) -> None:
        """A little at a time, longer than the time-out in all."""
        for pause in seconds:
            threading.Event().wait(pause)
            taken.append(len(client.recv(65536)))

    async def scenario() -> None:
        files = Files(blob)
        limits = LimitsConfig(send_timeout=0.5, header_timeout=0.5)
        async with loopback(files, limits=limits) as around:
            stuck, slow = slow_client(around.port), slow_client(around.port)
            stuck.sendall(GET)
            slow.sendall(GET)
            await asyncio.to_thread(sip, slow, [0.1] * 15)
            finished = await around.flow.wait_finished(1)
            assert len(finished) == 1
            assert not finished[0].complete
            assert finished[0].sent < SIZE
            assert around.server.counters.timed_out == 1
            assert len(taken) == 15
            assert all(taken)
            stuck.close()
            slow.close()
            await around.flow.wait_finished(2)
            assert files.closed == 2

    run(scenario())


def test_a_client_that_goes_away_frees_the_file(run: Run, blob: Path) -> None:
    async def scenario() -> None:
        files = Files(blob)
        async with loopback(files) as around:
            client = await around.connect()
            client.send(GET)
            await client.reader.readexactly(100_000)
            client.writer.transport.abort()
            [done] = await around.flow.wait_finished()
            assert not done.complete
            assert 0 < done.sent < SIZE
            assert files.closed == 1

    run(scenario())


def test_a_file_that_shrank_cuts_the_answer(run: Run, blob: Path) -> None:
    async def scenario() -> None:
        files = Files(blob)
        files.length = SIZE + 100
        async with loopback(files) as around:
            client = await around.connect()
            client.send(GET)
            heard = await client.hear()
            assert not heard.whole
            [done] = await around.flow.wait_finished()
            assert not done.complete
            assert files.closed == 1

    run(scenario())


def test_a_paced_file(run: Run, blob: Path) -> None:
    paced: list[int] = []

    async def pace(size: int) -> None:
        paced.append(size)
        await asyncio.sleep(0.001)

    async def scenario() -> None:
        files = Files(blob, pace=pace)
        async with loopback(files) as around:
            client = await around.connect()
            client.send(GET)
            assert (await client.hear()).body == blob.read_bytes()
            assert sum(paced) == SIZE
            assert max(paced) <= 1024**2

    run(scenario())


class Stream:
    """A reply whose body is a generator."""

    def __init__(
        self, chunks: Callable[[], AsyncIterator[bytes]], length: int | None, **more: Any
    ) -> None:
        self.chunks, self.length, self.more = chunks, length, more
        self.closed = 0

    async def __call__(self, _: Request) -> Reply:
        async def close() -> None:
            self.closed += 1

        body = StreamBody(chunks=self.chunks(), length=self.length, close=close, **self.more)
        return Reply(status=200, body=body)


async def _ask(around: Loopback, first: bytes = GET) -> Client:
    client = await around.connect()
    client.send(first)
    return client


@pytest.mark.parametrize("length", [None, 3_000_007])
def test_a_stream(run: Run, length: int | None) -> None:
    content = os.urandom(3_000_007)

    async def chunks() -> AsyncIterator[bytes]:
        yield b""
        yield content[:7]
        await asyncio.sleep(0.01)
        yield content[7:]

    async def scenario() -> None:
        stream = Stream(chunks, length)
        async with loopback(stream) as around:
            client = await _ask(around)
            for number in range(1, 3):
                heard = await client.hear()
                assert heard.body == content
                assert ("transfer-encoding" in heard.headers) == (length is None)
                done = (await around.flow.wait_finished(number))[-1]
                assert (done.sent, done.complete) == (len(content), True)
                client.send(GET)
            await around.flow.wait_finished(2)
            assert stream.closed >= 2

    run(scenario())


def _cuts() -> dict[str, Callable[[], AsyncIterator[bytes]]]:
    async def cut() -> AsyncIterator[bytes]:
        yield b"begun"
        await asyncio.sleep(0.05)
        raise CutError("the digest does not match")

    async def defect() -> AsyncIterator[bytes]:
        yield b"begun"
        raise ValueError("a defect")

    async def short() -> AsyncIterator[bytes]:
        yield b"begun"

    async def long() -> AsyncIterator[bytes]:
        yield b"begun and far too long"

    return {"cut": cut, "defect": defect, "short": short, "long": long}


@pytest.mark.parametrize(
    ("kind", "length"),
    [("cut", 10), ("cut", None), ("defect", 10), ("defect", None), ("short", 10), ("long", 10)],
)
def test_a_stream_that_fails_never_looks_whole(run: Run, kind: str, length: int | None) -> None:
    async def scenario() -> None:
        stream = Stream(_cuts()[kind], length)
        async with loopback(stream) as around:
            client = await _ask(around)
            heard = await client.hear()
            assert (heard.status, heard.whole) == (200, False)
            assert b"far too long" not in heard.body
            [done] = await around.flow.wait_finished()
            assert not done.complete
            assert stream.closed == 1

    run(scenario())


def test_an_old_client_sees_a_cut_as_a_reset(run: Run) -> None:
    async def scenario() -> None:
        async with loopback(Stream(_cuts()["cut"], None)) as around:
            with socket.create_connection(("127.0.0.1", around.port)) as client:
                client.sendall(b"GET /v2/a/blobs/x HTTP/1.0\r\n\r\n")

                def read() -> None:
                    while client.recv(1000):
                        pass

                with pytest.raises(ConnectionResetError):
                    await asyncio.to_thread(read)

    run(scenario())


def test_a_slow_client_holds_a_stream_back(run: Run) -> None:
    produced: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1000):
            produced.append(1)
            yield b"x" * 100_000

    async def scenario() -> None:
        stream = Stream(chunks, None)
        async with loopback(stream) as around:
            client = slow_client(around.port)
            client.sendall(GET)
            await asyncio.sleep(0.3)
            assert 0 < len(produced) < 200
            client.close()
            [done] = await around.flow.wait_finished()
            assert not done.complete
            assert stream.closed == 1

    run(scenario())


def test_a_paced_stream(run: Run) -> None:
    paced: list[int] = []

    async def pace(size: int) -> None:
        paced.append(size)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * 3_000_000

    async def scenario() -> None:
        async with loopback(Stream(chunks, 3_000_000, pace=pace)) as around:
            client = await _ask(around)
            assert len((await client.hear()).body) == 3_000_000
            assert sum(paced) == 3_000_000
            assert max(paced) <= 1024**2

    run(scenario())
