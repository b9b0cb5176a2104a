"""A connected socket to a server: directly or through a proxy, with TLS, within a time.

Importing this module costs what `ssl` costs, so import it late.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from homeport.errors import MissingError
from homeport.gitlab.address import Url
from homeport.gitlab.proxy import Proxy

CONNECT_TIMEOUT = 5.0
"""Seconds to reach one address of a server, at most."""
_MOMENT = 0.05


class Deadline:
    """A time by which a whole request has to be over.

    Each socket has its own limit on silence; `enforced` also ends an exchange with a server that
    sends a byte now and then.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self.missed = False

    def remaining(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            self.missed = True
            raise TimeoutError
        return left

    @property
    def over(self) -> bool:
        """Whether the time is up, as far as a clock can tell: a socket's own limit, which is what
        was left when it was set, may end a moment before."""
        return self.missed or time.monotonic() > self._end - _MOMENT

    @contextmanager
    def enforced(self, sock: socket.socket) -> Iterator[None]:
        """Shut the connection down when the time is over, whatever thread waits for it."""
        # A descriptor of its own: TLS takes the socket's away.
        handle = sock.dup()
        timer = threading.Timer(self.remaining(), self._cut, (handle,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            handle.close()

    def _cut(self, handle: socket.socket) -> None:
        self.missed = True
        try:
            handle.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def connect(
    url: Url,
    proxy: Proxy | None,
    deadline: Deadline,
    *,
    connect_timeout: float = CONNECT_TIMEOUT,
    public: bool = False,
) -> socket.socket:
    """A TCP connection to the server, or to its proxy.

    `public` refuses every address that is not of the public internet: the one that is connected to,
    so that no name can stand for another address a moment later. A proxy looks names up itself;
    then only an address written into the URL can be refused.
    """
    host, port = (proxy.host, proxy.port) if proxy else (url.host, url.port)
    if public and proxy:
        _refuse_private(url, url.host)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError("no address")
    for index, (family, kind, protocol, _, address) in enumerate(found):
        if public and not proxy:
            _refuse_private(url, str(address[0]))
        share = deadline.remaining() / (len(found) - index)
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(min(share, connect_timeout))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            sock.settimeout(deadline.remaining())
            return sock
    raise failure


def _refuse_private(url: Url, host: str) -> None:
    """Raise for an address of this machine or of a private network (RFC 6890)."""
    from homeport.lib.address import is_public, parse_address

    address = parse_address(host)
    if address is None:
        inside = host == "localhost" or host.endswith(".localhost")
    else:
        inside = not is_public(address)
    if inside:
        raise MissingError.of(
            f"{url} is not read: {url.host} is an address of this machine or of a private network",
            code="private-address",
            hint=f'if you trust it, name it in your settings: [hosts."{url.authority}"]',
        )


def tunnel(sock: socket.socket, url: Url, proxy: Proxy) -> None:
    """Ask a proxy for a way to the server (RFC 9110, section 9.3.6)."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    lines = [f"CONNECT {host}:{url.port} HTTP/1.1", f"Host: {host}:{url.port}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    response = http.client.HTTPResponse(sock, method="CONNECT")
    try:
        response.begin()
        status = response.status
    finally:
        response.close()
    if status != 200:
        raise proxy_refusal(proxy, url, status)


def proxy_refusal(proxy: Proxy, url: Url, status: int) -> MissingError:
    where = f"the proxy {proxy.host}:{proxy.port}"
    if status == 407:
        return MissingError.of(
            f"{where} wants a user and a password",
            code="proxy",
            hint=f"set {url.scheme}_proxy=http://USER:PASSWORD@{proxy.host}:{proxy.port}",
        )
    return MissingError.of(
        f"{where} does not let us through to {url.authority} (status {status})",
        code="proxy",
        hint=f"ask for access, or except {url.host} with NO_PROXY if it can be reached directly",
    )


def encrypt(sock: socket.socket, url: Url, authorities: Iterable[str]) -> ssl.SSLSocket:
    """TLS to the server; `authorities` are PEM files to trust beside the system's."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    for path in authorities:
        try:
            context.load_verify_locations(cafile=path)
        except OSError as error:  # ssl.SSLError is one
            reason = "it holds no certificates" if isinstance(error, ssl.SSLError) else None
            raise MissingError.of(
                f"the certificates in {path} cannot be used: {reason or error.strerror}",
                code="ca",
                hint="SSL_CERT_FILE and ca in your settings name a file of certificates in PEM",
            ) from None
    return context.wrap_socket(sock, server_hostname=url.host)
