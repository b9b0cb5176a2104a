"""One request and its answer on the wire, without redirects.

Importing this module costs what `http.client` and `ssl` cost, so import it late.
"""

import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping

from msgspec import Struct

from homeport.errors import MissingError
from homeport.gitlab.address import Url
from homeport.gitlab.dial import CONNECT_TIMEOUT, Deadline, connect, encrypt, proxy_refusal, tunnel
from homeport.gitlab.proxy import Proxy

_CHUNK = 64 * 1024


class Outgoing(Struct, frozen=True, kw_only=True):
    """What is sent. `limit` bounds the answer's body in bytes; `authorities` are PEM files;
    `public` forbids private addresses, `connect_timeout` is in seconds."""

    method: str
    url: Url
    headers: Mapping[str, str]
    body: bytes | None = None
    proxy: Proxy | None = None
    authorities: tuple[str, ...] = ()
    limit: int
    public: bool = False
    connect_timeout: float = CONNECT_TIMEOUT


class Incoming(Struct, frozen=True, kw_only=True):
    """An answer; names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def exchange(outgoing: Outgoing, deadline: Deadline) -> Incoming:
    """Send a request and read its whole answer.

    Raises `MissingError`, in words that hold no secret, when the server (or the proxy) cannot be
    reached in time or trusted, and when the answer is larger than the limit.
    """
    url = outgoing.url
    with contextlib.ExitStack() as stack:
        try:
            sock = connect(
                url,
                outgoing.proxy,
                deadline,
                connect_timeout=outgoing.connect_timeout,
                public=outgoing.public,
            )
            # The last one in the stack is what closes; TLS takes the plain socket over.
            stack.callback(sock.close)
            stack.enter_context(deadline.enforced(sock))
            if url.scheme == "https":
                if outgoing.proxy is not None:
                    tunnel(sock, url, outgoing.proxy)
                sock = encrypt(sock, url, outgoing.authorities)
                stack.callback(sock.close)
            incoming = _converse(sock, outgoing)
            # A connection that was cut inside the headers looks like an answer.
            deadline.remaining()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unreachable(outgoing, error, deadline) from None
        return incoming


def _converse(sock: socket.socket, outgoing: Outgoing) -> Incoming:
    url, proxy = outgoing.url, outgoing.proxy
    connection = http.client.HTTPConnection(url.host, url.port)
    connection.sock = sock
    target, headers = url.target, dict(outgoing.headers)
    if proxy is not None and url.scheme == "http":
        target = f"http://{url.authority}{url.target}"
        if proxy.authorization:
            headers["Proxy-Authorization"] = proxy.authorization
    connection.putrequest(outgoing.method, target, skip_host=True, skip_accept_encoding=True)
    every = {"Host": url.authority, "Accept-Encoding": "identity", "Connection": "close", **headers}
    if outgoing.body is not None:
        every["Content-Length"] = str(len(outgoing.body))
    for name, value in every.items():
        connection.putheader(name, value)
    connection.endheaders(outgoing.body)
    with connection.getresponse() as response:
        if response.status == 407 and proxy is not None:
            raise proxy_refusal(proxy, url, response.status)
        return Incoming(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=_read(response, outgoing),
        )


def _read(response: http.client.HTTPResponse, outgoing: Outgoing) -> bytes:
    limit = outgoing.limit
    length = response.length or 0
    parts: list[bytes] = []
    size = 0
    while length <= limit and size <= limit:
        part = response.read1(_CHUNK)
        if not part:
            if response.length:
                raise http.client.IncompleteRead(b"")
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    raise MissingError.of(
        f"{outgoing.url} is larger than {_in_words(limit)}",
        code="too-large",
        hint="homeport reads no larger answer, so that no server can fill your memory",
    )


def _in_words(size: int) -> str:
    return f"{size // 1024**2} MiB" if size >= 1024**2 else f"{size} bytes"


def _unreachable(outgoing: Outgoing, error: Exception, deadline: Deadline) -> MissingError:
    url, proxy = outgoing.url, outgoing.proxy
    through = f" through the proxy {proxy.host}:{proxy.port}" if proxy else ""
    if deadline.over or isinstance(error, TimeoutError):
        reason = f"no answer within {deadline.seconds:g} seconds"
        if not deadline.over:
            reason = "no answer in time"
        code, hint = "timeout", _ask_network(url, proxy)
    elif isinstance(error, ssl.SSLCertVerificationError):
        return MissingError.of(
            f"{url.authority} is not trusted: {_sentence(error.verify_message)}",
            code="certificate",
            hint="name the certificate of your own authority with SSL_CERT_FILE=FILE, or with"
            " ca = FILE in your settings",
        )
    else:
        reason, code, hint = _reason(error), "unreachable", _ask_network(url, proxy)
    return MissingError.of(f"{url} cannot be read{through}: {reason}", code=code, hint=hint)


def _ask_network(url: Url, proxy: Proxy | None) -> str:
    if proxy is not None:
        return f"check the proxy, or except {url.host} with NO_PROXY"
    return f"if {url.host} is reached only through a proxy, set {url.scheme}_proxy"


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "its name is not known here"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, ssl.SSLError):
        return "what answers does not speak TLS as we do"
    if isinstance(
        error, (http.client.RemoteDisconnected, http.client.IncompleteRead, ConnectionError)
    ):
        return "it hung up in the middle of the answer"
    if isinstance(error, OSError):
        return _sentence(error.strerror or "the connection broke")
    return "what answers does not speak HTTP"


def _sentence(words: str) -> str:
    return words[:1].lower() + words[1:]
