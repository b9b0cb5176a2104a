"""Ask a mirror, over the standard library, as engines on this machine would."""

import http.client
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from ipaddress import ip_address, ip_network
from typing import NamedTuple, Optional

from homeport.enroll.address import Address, parse_address
from homeport.enroll.errors import EnrollError, UnreachableMirrorError

TIMEOUT = 10.0
IN_ALL = 60.0
MAX_BODY = 4 * 1024 * 1024


class Answer(NamedTuple):
    """Names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def proxy_for(address: Address, env: Mapping[str, str]) -> Optional[str]:
    """HOST:PORT of the proxy that the environment has for this address; None: it is asked itself.
    Raises EnrollError for one that is no http proxy."""
    text = _read(env, f"{address.scheme}_proxy")
    if not text or _excluded(address, _read(env, "no_proxy")):
        return None
    url = text if "://" in text else f"http://{text}"
    found = re.fullmatch(r"http://(?:[^@/]*@)?([^/@]+)/?", url)
    if found is None:
        raise EnrollError(
            f"the proxy of {address.scheme.upper()}_PROXY is none that is asked over http",
            hint=f"a mirror is reached without one: add {address.host} to NO_PROXY",
        )
    host = found.group(1)
    return host if re.search(r":[0-9]+$", host) else f"{host}:80"


def _read(env: Mapping[str, str], name: str) -> str:
    # HTTP_PROXY in capitals means a request header to CGI programs; there are none here.
    return env.get(name) or env.get(name.upper()) or ""


def _excluded(address: Address, no_proxy: str) -> bool:
    """As Go's programs have it, of which dockerd is one: loopback is never asked through a proxy;
    an entry is `*`, a host or domain, `.domain`, an address or network, each perhaps with a port.
    """
    host = address.host.lower()
    if host == "localhost" or host.startswith("127.") or host == "::1":
        return True
    return any(_matches(entry.strip().lower(), host, address.port) for entry in no_proxy.split(","))


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return _in_network(host, entry)
    name, colon, number = entry.rpartition(":")
    if colon and ":" not in name and number.isdigit():
        if int(number) != port:
            return False
        entry = name
    name = entry.lstrip("*").lstrip(".")
    if not name:
        return False
    whole = not entry.startswith((".", "*"))
    return (whole and host == name) or host.endswith(f".{name}")


def _in_network(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


class MirrorClient:
    """One request a connection. `ca` is PEM, trusted beside the system's."""

    def __init__(
        self,
        url: str,
        *,
        ca: Optional[str] = None,
        env: Optional[Mapping[str, str]] = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.address = parse_address(url)
        self.proxy = proxy_for(self.address, env or {})
        self._timeout = timeout
        self._context: Optional[ssl.SSLContext] = None
        if self.address.scheme == "https":
            self._context = ssl.create_default_context()
            if ca is not None:
                try:
                    self._context.load_verify_locations(cadata=ca)
                except (ssl.SSLError, ValueError):
                    raise EnrollError(
                        "the CA file holds no certificate in PEM",
                        hint="it begins with -----BEGIN CERTIFICATE-----",
                    ) from None

    def get(
        self, path: str, headers: Optional[Mapping[str, str]] = None, *, limit: int = MAX_BODY
    ) -> Answer:
        """An answer of any status; redirects are not followed. Raises UnreachableMirrorError in
        words for people."""
        connection = self._connect()
        try:
            target = path if self.proxy is None or self._context else self._absolute(path)
            connection.connect()
            with _at_most(IN_ALL, connection.sock):
                connection.request("GET", target, headers={**_ACCEPT, **(headers or {})})
                with connection.getresponse() as reply:
                    body = reply.read(limit + 1)
                named = {name.lower(): value for name, value in reply.getheaders()}
        except ssl.SSLError as error:
            raise self._tls(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(error) from None
        finally:
            connection.close()
        if len(body) > limit:
            raise self._error("answers with more than a registry would")
        if reply.status == 400 and b"HTTP request to an HTTPS server" in body:
            raise self._speaks_tls()
        return Answer(reply.status, named, body)

    def _connect(self) -> http.client.HTTPConnection:
        address = self.address
        host, port = address.host, address.port
        if self.proxy is not None:
            host, _, text = self.proxy.rpartition(":")
            port = int(text)
        if self._context is None:
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        made = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
        if self.proxy is not None:
            made.set_tunnel(address.host, address.port)
        return made

    def _absolute(self, path: str) -> str:
        return f"{self.address.scheme}://{self.address.netloc}{path}"

    def _tls(self, error: ssl.SSLError) -> UnreachableMirrorError:
        words = _VERIFY.get(getattr(error, "verify_code", 0))
        if words is None:
            reason = error.reason or ""
            said = getattr(error, "verify_message", "") or reason or str(error)
            found = [words for part, words in _REASONS.items() if part in reason]
            words = found[0] if found else (f"cannot be spoken to by TLS: {said}", "")
        what, hint = (text.replace("HOST", self.address.host) for text in words)
        return self._error(what, hint.replace("NETLOC", self.address.netloc))

    def _failed(self, error: Exception) -> UnreachableMirrorError:
        by = f" through the proxy {self.proxy}" if self.proxy else ""
        if isinstance(error, socket.gaierror):
            name = self.proxy or self.address.host
            return self._error(f"cannot be found: there is no address for {name}")
        if isinstance(error, (socket.timeout, TimeoutError)):
            return self._error(f"does not answer within {self._timeout:g} s{by}")
        if isinstance(error, ConnectionRefusedError):
            return self._error(f"refuses connections{by}", "is it running, and is the port right?")
        broken = (ConnectionResetError, http.client.BadStatusLine)
        if self._context is None and isinstance(error, broken) and self._has_tls():
            return self._speaks_tls()
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return self._error(f"cannot be reached{by}: {said}")

    def _has_tls(self) -> bool:
        """Whether a TLS server is behind what did not answer to HTTP."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        address = (self.address.host, self.address.port)
        try:
            with socket.create_connection(address, timeout=min(self._timeout, 2.0)) as plain:
                context.wrap_socket(plain).close()
                return True
        except OSError:
            return False

    def _speaks_tls(self) -> UnreachableMirrorError:
        return self._error("speaks TLS, not plain HTTP", f"write https://{self.address.netloc}")

    def _error(self, what: str, hint: str = "") -> UnreachableMirrorError:
        return UnreachableMirrorError(
            f"the mirror {self.address.url} {what}", hint=hint or "nothing was changed"
        )


@contextmanager
def _at_most(seconds: float, connection: socket.socket) -> Iterator[None]:
    """Cut a connection that trickles: each byte in time, but never an end."""

    def cut() -> None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


_UNKNOWN = (
    "has a certificate of a CA that is not known here",
    "give its CA by --ca FILE (PEM); engines get it as well",
)
_NAME = (
    "has a certificate for another name than HOST",
    "use the name that is in the certificate, or renew it with this one",
)
_VERIFY = {
    **dict.fromkeys((2, 18, 19, 20, 21), _UNKNOWN),
    **dict.fromkeys((62, 64), _NAME),
    9: ("has a certificate that is not valid yet", "look at the clock here and there"),
    10: ("has a certificate that has expired", "renew it at the mirror"),
}
"""What X509_V_ERR_… of OpenSSL means."""

_PLAIN = ("speaks plain HTTP, not TLS", "write http://NETLOC")
_REASONS = {
    "WRONG_VERSION_NUMBER": _PLAIN,
    "HTTP_REQUEST": _PLAIN,
    "RECORD_LAYER_FAILURE": _PLAIN,
    "CERTIFICATE_REQUIRED": ("asks for a client certificate", "engines would need one each"),
}

_ACCEPT = {
    "User-Agent": "homeport-enroll",
    "Accept": "application/json, application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json",
}
