"""Servers on loopback for tests of the network: HTTP, HTTPS with an own authority, a proxy."""

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Asked(NamedTuple):
    """A request as it arrived; names of `headers` are in lower case, `path` is as it was sent."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}


Answering = Callable[[Asked], Answer]


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, json.dumps(value).encode(), named)


def to(location: str, status: int = 302) -> Answer:
    return Answer(status, b"", {"Location": location})


class Server:
    """Answers by `answering`; `asked` are all requests so far."""

    def __init__(self, answering: Answering, *, certificate: Path | None = None) -> None:
        self.asked: list[Asked] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                parts = urlsplit(self.path)
                asked = Asked(
                    self.command,
                    parts.path,
                    {name: values[0] for name, values in parse_qs(parts.query).items()},
                    {name.lower(): value for name, value in self.headers.items()},
                    self.rfile.read(int(self.headers.get("Content-Length", 0))),
                )
                outer.asked.append(asked)
                answer = answering(asked)
                self.send_response(answer.status)
                headers = {"Content-Length": str(len(answer.body)), **answer.headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = _answer  # noqa: N815 - the standard library's names

            def log_message(self, *_: object) -> None:
                return

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                return  # a client that leaves early is what some tests are about

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def url(self, path: str = "", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def serving(answering: Answering, *, certificate: Path | None = None) -> Iterator[Server]:
    server = Server(answering, certificate=certificate)
    try:
        yield server
    finally:
        server.close()


class Raw:
    """Sends `parts`, a moment apart, to whoever connects, whatever is asked; `heard` is that.

    Without parts it accepts and says nothing.
    """

    def __init__(self, *parts: bytes, pause: float = 0.0) -> None:
        self.heard: list[bytes] = []
        self._parts = parts
        self._stop = threading.Event()
        self._pause = pause
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                peer, _ = self._socket.accept()
            except TimeoutError:
                continue
            with peer:
                self._talk(peer)

    def _talk(self, peer: socket.socket) -> None:
        try:
            self.heard.append(peer.recv(65536))
            for part in self._parts:
                peer.sendall(part)
                if self._stop.wait(self._pause):
                    return
            if not self._parts:
                self._stop.wait(30)
        except OSError:
            return

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()


@contextmanager
def talking(*parts: bytes, pause: float = 0.0) -> Iterator[Raw]:
    raw = Raw(*parts, pause=pause)
    try:
        yield raw
    finally:
        raw.close()


class Proxy:
    """A CONNECT proxy that leads every name to the given port; `asked` are the request heads."""

    def __init__(self, to_port: int) -> None:
        self.asked: list[str] = []
        self._to_port = to_port
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port = int(self._socket.getsockname()[1])
        self._start(self._serve)

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                peer, _ = self._socket.accept()
            except TimeoutError:
                continue
            self._start(self._relay, peer)

    def _relay(self, peer: socket.socket) -> None:
        with peer, socket.create_connection(("127.0.0.1", self._to_port)) as server:
            head = b""
            while b"\r\n\r\n" not in head:
                head += peer.recv(65536)
            self.asked.append(head.decode())
            peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(server, peer))
            back.start()
            _copy(peer, server)
            back.join()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def proxying(to_port: int) -> Iterator[Proxy]:
    proxy = Proxy(to_port)
    try:
        yield proxy
    finally:
        proxy.close()


class Authority(NamedTuple):
    """`ca` is to be trusted; `certificate` (with its key) is for gitlab.test and 127.0.0.1."""

    ca: Path
    certificate: Path


def make_authority(folder: Path) -> Authority:
    """A certificate authority of the test's own, and a server's certificate signed by it."""
    names = folder / "names"
    names.write_text("subjectAltName=DNS:gitlab.test,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    key, request, signed = folder / "server.key", folder / "server.csr", folder / "server.pem"
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl("req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-subj", "/CN=test authority")
    _openssl("req", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=gitlab.test")
    _openssl(
        *("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial"),
        *("-extfile", names, "-out", signed),
    )
    certificate = folder / "certificate.pem"
    certificate.write_bytes(signed.read_bytes() + key.read_bytes())
    return Authority(ca, certificate)


def _openssl(*args: object) -> None:
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)
