"""Clients that cost little, in a process of their own: `python -m benchmarks.mirror.load …`.

Prints one JSON object: requests, bytes of bodies, seconds.
"""

import argparse
import asyncio
import json
import socket
import ssl
import threading
import time
from functools import partial
from typing import cast

import uvloop

ACCEPT = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""Sent as several lines, as dockerd does."""


def request(path: str, host: str) -> bytes:
    accept = "".join(f"Accept: {media_type}\r\n" for media_type in ACCEPT)
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: docker/27.0\r\n{accept}\r\n".encode()
    )


class _Asker(asyncio.Protocol):
    """One connection: ask, take the whole answer, ask again."""

    def __init__(self, requests: list[bytes], first: int, total: "_Total") -> None:
        self._requests, self._at, self._total = requests, first, total
        self._rest = 0
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def _ask(self) -> None:
        self._transport.write(self._requests[self._at % len(self._requests)])
        self._at += 1

    def data_received(self, data: bytes) -> None:
        if not self._rest:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._head[:end].lower()
            if not head.startswith(b"http/1.1 200"):
                self._total.fail(f"an answer is {head[:40]!r}")
                return
            at = head.index(b"content-length: ") + 16
            self._rest = int(head[at:].split(b"\r\n", 1)[0])
            self._total.bytes += self._rest
            data = self._head[end + 4 :]
            self._head = b""
        self._rest -= len(data)
        if not self._rest:
            self._total.requests += 1
            if self._total.requests < self._total.wanted:
                self._ask()
            elif not self._total.done.is_set():
                self._total.done.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._total.done.is_set():
            self._total.fail(f"a connection was lost: {exc}")


class _Total:
    def __init__(self, wanted: int) -> None:
        self.wanted, self.requests, self.bytes = wanted, 0, 0
        self.done = asyncio.Event()
        self.failure = ""

    def fail(self, words: str) -> None:
        self.failure = self.failure or words
        self.done.set()


async def ask(host: str, port: int, paths: list[str], wanted: int, connections: int) -> _Total:
    loop, total = asyncio.get_running_loop(), _Total(wanted)
    requests = [request(path, f"{host}:{port}") for path in paths]
    for number in range(connections):
        first = number * len(requests) // connections
        await loop.create_connection(partial(_Asker, requests, first, total), host, port)
    await total.done.wait()
    if total.failure:
        raise SystemExit(total.failure)
    return total


def download(host: str, port: int, path: str, times: int, *, tls: bool) -> int:
    """Blocking, and thrown away: the cheapest way to take a body."""
    endpoint = socket.create_connection((host, port))
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        endpoint = context.wrap_socket(endpoint, server_hostname="localhost")
    buffer, total = bytearray(1024**2), 0
    with endpoint:
        for _ in range(times):
            endpoint.sendall(request(path, f"{host}:{port}"))
            head = b""
            while b"\r\n\r\n" not in head:
                head += endpoint.recv(65536)
            head, _, begun = head.partition(b"\r\n\r\n")
            low = head.lower()
            assert low.startswith(b"http/1.1 20"), head
            size = int(low[low.index(b"content-length: ") + 16 :].split(b"\r\n", 1)[0])
            left = size - len(begun)
            while left:
                taken = endpoint.recv_into(buffer, min(left, len(buffer)))
                assert taken, "the body was cut"
                left -= taken
            total += size
    return total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("requests", "download"))
    parser.add_argument("address")
    parser.add_argument("paths", help="a file with one path a line")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    host, _, port = options.address.rpartition(":")
    with open(options.paths, encoding="ascii") as file:  # noqa: PTH123
        paths = file.read().split()
    begin = time.perf_counter()
    if options.kind == "requests":
        total = uvloop.run(ask(host, int(port), paths, options.count, options.connections))
        requests, size = total.requests, total.bytes
    else:
        sizes: list[int] = []

        def take() -> None:
            sizes.append(download(host, int(port), paths[0], options.count, tls=options.tls))

        threads = [threading.Thread(target=take) for _ in range(options.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(sizes) == options.connections, "a download failed"
        requests, size = options.count * options.connections, sum(sizes)
    print(json.dumps([requests, size, time.perf_counter() - begin]))


if __name__ == "__main__":
    main()
