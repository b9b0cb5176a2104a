"""HTTP/1.1 to an engine: a unix socket, TCP or TLS, one connection a call.

Importing this module costs what `http.client` costs (docs/adr/0004), so import it late.
"""

import http.client
import json
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Self
from urllib.parse import quote, urlencode

from homeport.engine.address import Address
from homeport.engine.api import EngineError

if TYPE_CHECKING:
    from homeport.engine.ssh_tunnel import Tunnel

TIMEOUT = 60.0
"""Seconds that an engine may stay silent in an ordinary call."""
_SILENT_TIMEOUT = 3.0
"""Seconds for one that has stayed silent for so long already."""
_ERROR_LIMIT = 64 * 1024
_BODY_LIMIT = 64 * 1024 * 1024
_LINE_LIMIT = 1024 * 1024
_READ = 256 * 1024
# A peer that hangs up before it has read the whole request has written its answer already.
_HUNG_UP = (BrokenPipeError, ConnectionResetError)


class Connection(http.client.HTTPConnection):
    """One connection. Another thread may `cut` it, which ends a call that waits for ever."""

    def __init__(self, address: Address, timeout: float | None) -> None:
        super().__init__(address.host or "localhost", address.port or None, timeout=timeout)
        self._address = address

    def connect(self) -> None:
        if self._address.path is None:
            super().connect()
            if self._address.certificates is not None:
                self.sock = _encrypted(self.sock, self._address.host, self._address.certificates)
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._address.path)

    def cut(self) -> None:
        if self.sock is None:
            return
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def _encrypted(sock: socket.socket, host: str, certificates: str) -> socket.socket:
    """TLS as `DOCKER_CERT_PATH` configures it: ca.pem, and cert.pem with key.pem if there."""
    import ssl
    from pathlib import Path

    folder = Path(certificates)
    context = ssl.create_default_context(cafile=str(folder / "ca.pem") if certificates else None)
    if certificates and (folder / "cert.pem").exists():
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context.wrap_socket(sock, server_hostname=host)


class Reply:
    """The head of an answer, its body still on the wire; a context that ends the connection."""

    def __init__(
        self, client: "Client", connection: Connection, response: http.client.HTTPResponse
    ) -> None:
        self._client = client
        self._connection = connection
        self._response = response
        self.status = response.status

    def header(self, name: str) -> str:
        return self._response.headers.get(name, "")

    def body(self) -> Any:
        """The whole answer as JSON, None when it is empty or not JSON."""
        with self, self._client.guarded():
            data = self._response.read(_BODY_LIMIT)
            # A read with a limit takes a connection that was cut for the end of the body.
            cut = bool(self._response.length)
        if cut:
            raise self._client.broken("it ended an answer in the middle")
        try:
            return json.loads(data) if data else None
        except ValueError:
            return None

    def refusal(self) -> str:
        """The engine's own words for its refusal."""
        with self, self._client.guarded():
            words = self._response.read(_ERROR_LIMIT).decode("utf-8", "replace").strip()
        try:
            told = json.loads(words)
        except ValueError:
            told = None
        if isinstance(told, dict) and told.get("message"):
            words = str(told["message"]).strip()
        return words or f"status {self.status}"

    def chunks(self) -> Iterator[bytes]:
        """The answer's bytes as they come; the connection ends with the iterator."""
        with self:
            while True:
                with self._client.guarded():
                    chunk = self._response.read1(_READ)
                if not chunk:
                    break
                yield chunk
            # As above.
            if self._response.length:
                raise self._client.broken("it ended an answer in the middle")

    def lines(self) -> Iterator[dict[str, Any]]:
        """A stream of JSON objects, one a line (the progress of a pull)."""
        rest = b""
        for chunk in self.chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield from _objects(line)
            if len(rest) > _LINE_LIMIT:
                raise self._client.broken("it sent a line without an end")
        yield from _objects(rest)

    def upgraded(self) -> tuple[socket.socket, BinaryIO]:
        """The raw connection behind an upgrade: write to the socket, read from the file."""
        self._connection.sock.settimeout(None)
        return self._connection.sock, self._response.fp

    def cut(self) -> None:
        """End the answer from another thread."""
        self._connection.cut()

    def close(self) -> None:
        self._client.forget(self._connection)
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _objects(line: bytes) -> Iterator[dict[str, Any]]:
    try:
        found = json.loads(line) if line.strip() else None
    except ValueError:
        return
    if isinstance(found, dict):
        yield found


def _tunnel(address: Address) -> "Tunnel":
    from homeport.engine.ssh_tunnel import Tunnel

    return Tunnel(address)


class Client:
    """Calls to one engine, from any thread. `prefix` is the negotiated `/v1.41`, or empty."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._tunnel = _tunnel(address) if address.ssh else None
        self.prefix = ""
        self._open: set[Connection] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._silent = False  # whether it left a call unanswered, and has answered none since

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | Sequence[str]] = {},
        *,
        content: object = None,
        chunks: Iterable[bytes] | None = None,
        headers: Mapping[str, str] = {},
        timeout: float | None = TIMEOUT,
        allowed: tuple[int, ...] = (),
    ) -> Reply:
        """Send one request; its answer. `content` goes as JSON, `chunks` as a tar stream.

        A status of 400 or more that is not in `allowed` is an `EngineError` with the engine's
        own message. `timeout` bounds each silence in seconds, not the whole; None waits for ever.
        An engine that has let one pass is not waited for as long again before it answers: what is
        left to remove from it is many calls.
        """
        patient = timeout is not None and timeout >= TIMEOUT
        if timeout is not None and self._silent:
            timeout = min(timeout, _SILENT_TIMEOUT)
        near = self.address if self._tunnel is None else self._tunnel.open()
        connection = Connection(near, timeout)
        self._remember(connection)
        try:
            with self.guarded():
                self._send_head(
                    connection,
                    method,
                    self.prefix
                    + quote(path)
                    + ("?" + urlencode(query, doseq=True) if query else ""),
                    content=content,
                    chunked=chunks is not None,
                    headers=headers,
                )
            if chunks is not None:
                self._send_chunks(connection, chunks)
            with self.guarded():
                reply = Reply(self, connection, connection.getresponse())
            self._silent = False
        except BaseException as error:
            if patient and isinstance(error.__cause__, TimeoutError):
                self._silent = True
            self.forget(connection)
            connection.close()
            raise
        if reply.status >= 400 and reply.status not in allowed:
            raise EngineError.of(reply.refusal(), code="engine-refused")
        return reply

    def _send_head(
        self,
        connection: Connection,
        method: str,
        target: str,
        *,
        content: object,
        chunked: bool,
        headers: Mapping[str, str],
    ) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        # A socket has no name, and Go refuses a request without a host.
        own = "" if self.address.ssh else self.address.host
        every = {"Host": own or "localhost", **headers}
        if chunked:
            every |= {"Transfer-Encoding": "chunked", "Content-Type": "application/x-tar"}
        else:
            every["Content-Length"] = str(len(body))
            if body:
                every["Content-Type"] = "application/json"
        for name, value in every.items():
            connection.putheader(name, value)
        connection.endheaders(body or None)

    def _send_chunks(self, connection: Connection, chunks: Iterable[bytes]) -> None:
        try:
            for chunk in chunks:
                if chunk:
                    with self.guarded():
                        connection.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            with self.guarded():
                connection.send(b"0\r\n\r\n")
        except EngineError as error:
            if not isinstance(error.__cause__, _HUNG_UP):
                raise

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn the failures of a connection into an `EngineError`."""
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            raise self.broken(reason_of(error)) from error

    def broken(self, reason: str) -> EngineError:
        return EngineError.of(
            f"the container engine at {self.address} does not answer: {reason}",
            code="engine-unreachable",
            hint="check that the engine runs and that you may use it",
        )

    def _remember(self, connection: Connection) -> None:
        with self._lock:
            closed = self._closed
            self._open.add(connection)
        if closed:
            raise self.broken("it is no longer used")

    def forget(self, connection: Connection) -> None:
        with self._lock:
            self._open.discard(connection)

    def close(self) -> None:
        """End every call under way, in whatever thread; later calls fail."""
        with self._lock:
            self._closed = True
            connections = tuple(self._open)
        for connection in connections:
            connection.cut()
        if self._tunnel is not None:
            self._tunnel.close()


_REASONS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((TimeoutError,), "no answer in time"),
    ((FileNotFoundError,), "there is no such socket"),
    ((PermissionError,), "permission denied (is your user in the socket's group?)"),
    ((ConnectionRefusedError,), "nothing listens there"),
    (
        (*_HUNG_UP, http.client.RemoteDisconnected, http.client.IncompleteRead),
        "it hung up in the middle of a call",
    ),
    ((http.client.HTTPException,), "what answers does not speak HTTP"),
)


def reason_of(error: Exception) -> str:
    """The failure of a connection in words for a person, without a path or an errno."""
    for kinds, words in _REASONS:
        if isinstance(error, kinds):
            return words
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
