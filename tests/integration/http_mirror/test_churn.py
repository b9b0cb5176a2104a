"""Clients that do anything at any moment: nothing leaks, and every request is finished once."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from homeport.mirror.model.config import LimitsConfig
from homeport.mirror.model.exchange import FileBody, Reply, Request, StreamBody
from testbed.http_loopback import loopback

Run = Callable[[Any], None]
SIZE = 2 * 1024**2


class Answers:
    """Bytes, files and streams; counts what is open."""

    def __init__(self, path: Path, dice: random.Random) -> None:
        self.path, self.dice = path, dice
        self.open = self.bodies = 0

    async def __call__(self, request: Request) -> Reply:
        if request.body is not None:
            async for _ in request.body:
                pass
        kind = request.query.get("kind", "bytes")
        if kind == "bytes":
            return Reply(status=200, body=b"x" * self.dice.randrange(100_000))
        self.open += 1
        self.bodies += 1
        return Reply(status=200, body=self._file() if kind == "file" else self._stream())

    def _file(self) -> FileBody:
        file = os.open(self.path, os.O_RDONLY)

        def close() -> None:
            os.close(file)
            self.open -= 1

        return FileBody(descriptor=file, offset=0, length=SIZE, close=close)

    def _stream(self) -> StreamBody:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b"x" * 50_000
                await asyncio.sleep(0)

        async def close() -> None:
            self.open -= 1

        return StreamBody(chunks=chunks(), length=None, close=close)


def _something(dice: random.Random) -> bytes:
    kind, method = dice.choice(("bytes", "file", "stream")), dice.choice(("GET", "HEAD"))
    data = f"{method} /v2/a/blobs/x?kind={kind} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    if dice.random() < 0.2:
        head = b"PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
        data = head + b"x" * dice.randrange(100_001)
    if dice.random() < 0.1:
        data = data[: dice.randrange(len(data))]
    return dice.randbytes(200) if dice.random() < 0.1 else data


async def _churn(port: int, dice: random.Random) -> None:
    for _ in range(12):
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(dice.randrange(1, 4)):
                with suppress(RuntimeError):  # uvloop: the server has closed
                    writer.write(_something(dice))
                with suppress(TimeoutError):
                    async with asyncio.timeout(dice.random() * 0.1):
                        while await reader.read(dice.randrange(1, 200_000)):
                            pass
            if dice.random() < 0.5:
                writer.transport.abort()
            else:
                writer.close()


def test_nothing_leaks(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(os.urandom(SIZE))
    dice = random.Random(4)  # noqa: S311 - the same each time
    answers = Answers(path, dice)
    limits = LimitsConfig(header_timeout=0.3, idle_timeout=0.3, send_timeout=0.5)

    async def scenario() -> None:
        async with loopback(answers, limits=limits) as around:
            await asyncio.gather(*(_churn(around.port, dice) for _ in range(12)))
            async with asyncio.timeout(5):
                while around.server.open_connections:
                    await asyncio.sleep(0.05)
            flow = around.flow
            finished = sorted(done.request.id for done in flow.finished)
            assert finished == sorted(request.id for request in flow.requests)
            assert len(finished) > 50
            assert answers.bodies > 20
            assert answers.open == 0
            assert around.server.counters.defects == 0

    run(scenario())
