"""An HTTP proxy in front of one registry that breaks what a test wants broken."""

import http.client
import socket
import time
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple, Protocol

_CHUNK = 64 * 1024


class Faults:
    """What the proxy does to requests whose path holds `match`; changed by the test at any time.

    `rate` is bytes per second for each connection, `first_byte` a delay in seconds before an
    answer, `cut_after` closes the connection after so many bytes of a body (once per entry),
    `corrupt` flips a byte of each blob's body, `black_hole` never answers, `status` answers that
    instead, with `headers`.
    """

    def __init__(self) -> None:
        self.match = ""
        self.rate: int | None = None
        self.first_byte = 0.0
        self.cut_after: list[int] = []
        self.corrupt = False
        self.black_hole = False
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.no_range = False

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]


class Seen(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]


class Proxied(Protocol):
    """What stands behind the proxy; `direct` is its HOST:PORT."""

    direct: str
    faults: Faults
    seen: list[Seen]

    def add_sent(self, size: int) -> None: ...


class FaultHandler(BaseHTTPRequestHandler):
    """Passes requests on to the registry of `made`, as far as its faults let it."""

    made: Proxied
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.made.seen.append(Seen(self.command, self.path, headers))
        faults = self.made.faults
        if faults.match not in self.path:
            faults = Faults()
        try:
            self._answer(faults)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, faults: Faults) -> None:
        time.sleep(faults.first_byte)
        while faults.black_hole:
            time.sleep(0.05)
            if self.made.faults is not faults or not faults.black_hole:
                self.close_connection = True
                return
        if faults.status is not None:
            self._refuse(faults)
            return
        connection = http.client.HTTPConnection(self.made.direct, timeout=30)
        try:
            # Several lines of one name (Accept) are one list.
            headers = {name: ", ".join(self.headers.get_all(name) or ()) for name in self.headers}
            if faults.no_range:
                headers.pop("Range", None)
            connection.request(self.command, self.path, headers=headers)
            self._pass_on(connection.getresponse(), faults)
        finally:
            connection.close()

    def _refuse(self, faults: Faults) -> None:
        body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"as the test wishes"}]}'
        self.send_response(faults.status or 500)
        for name, value in faults.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _pass_on(self, answer: http.client.HTTPResponse, faults: Faults) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        blob = "/blobs/" in self.path
        limit = faults.cut_after.pop(0) if blob and faults.cut_after else None
        passed = 0
        while chunk := answer.read(_CHUNK):
            if blob and faults.corrupt and passed == 0:
                chunk = bytes((chunk[0] ^ 0xFF,)) + chunk[1:]
            if limit is not None and passed + len(chunk) > limit:
                self.wfile.write(chunk[: limit - passed])
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.wfile.write(chunk)
            passed += len(chunk)
            self.made.add_sent(len(chunk))
            if faults.rate:
                time.sleep(len(chunk) / faults.rate)

    def log_message(self, *_args: Any) -> None:
        pass
