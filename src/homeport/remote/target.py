"""Where a registry may send us: redirects and token services (docs/adr/0011).

A name says nothing about the address that it has a moment later, so a target that is not trusted by
its name is checked again on the very address that is connected to (`transport.py`).
"""

from collections.abc import Iterable
from enum import Enum
from fnmatch import fnmatchcase
from ipaddress import ip_network

from yarl import URL

from homeport.lib.address import is_public, parse_address
from homeport.remote.base_url import PORTS, BaseUrl
from homeport.remote.errors import ForbiddenTargetError

MAX_URL = 8192


class Way(Enum):
    """OPEN: the host is the configured one, or listed by name: any address will do. REDIRECT and
    REALM: only public addresses, and those in the networks of the list of that name."""

    OPEN = "open"
    REDIRECT = "redirect"
    REALM = "realm"


class Targets:
    """Hosts, globs over hosts (`*.corp`) and networks (`10.0.0.0/8`) that are trusted.

    An entry may carry a port (`minio.corp:9000`), which then has to be that of the target. Raises
    ValueError for an entry that is none of these.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._networks = []
        self._hosts: list[tuple[str, int | None]] = []
        for entry in entries:
            text = entry.strip().lower()
            if "/" in text:
                self._networks.append(ip_network(text, strict=False))
                continue
            self._hosts.append(_host_and_port(text))

    def lists_host(self, host: str, port: int) -> bool:
        """Whether the host is trusted by its name, or as the address that it is written as."""
        return any(
            fnmatchcase(host, pattern) and wanted in (None, port) for pattern, wanted in self._hosts
        ) or (parse_address(host) is not None and self.lists_address(host))

    def lists_address(self, text: str) -> bool:
        address = parse_address(text)
        return address is not None and any(address in network for network in self._networks)

    def allows_address(self, text: str) -> bool:
        """Whether a name that is not trusted may lead to this address."""
        address = parse_address(text)
        return address is not None and (is_public(address) or self.lists_address(text))


class Gate:
    """The rules of one list, `setting` being its name in the settings."""

    def __init__(self, own: BaseUrl, targets: Targets, way: Way, setting: str) -> None:
        self.own = own
        self.targets = targets
        self._way = way
        self._setting = setting

    def check(self, url: URL) -> Way:
        """How to go to `url`; raises ForbiddenTargetError with the remedy."""
        host, port = host_of(url), url.port or 0
        if url.scheme not in PORTS or not host:
            raise self._refuse(url, "it is neither https nor http")
        if self.targets.lists_host(host, port):
            return Way.OPEN
        if self.is_own(url):
            if url.scheme == "http" and self.own.scheme == "https":
                raise self._refuse(url, "it is not encrypted")
            return Way.OPEN
        if url.scheme != "https":
            raise self._refuse(url, "it is not encrypted")
        if parse_address(host) is not None:
            if not self.targets.allows_address(host):
                raise self.refuse_address(url)
        elif host == "localhost" or host.endswith(".localhost"):
            raise self.refuse_address(url)
        return self._way

    def is_own(self, url: URL) -> bool:
        """Whether this is the configured host. On this machine itself another port is another
        service, which an upstream has no business with."""
        same_port = url.port == self.own.port
        return host_of(url) == self.own.host and (same_port or not self.own.is_loopback)

    def refuse_address(self, url: URL) -> ForbiddenTargetError:
        return self._refuse(url, "it is an address of this machine or of a private network")

    def _refuse(self, url: URL, reason: str) -> ForbiddenTargetError:
        what = "redirects" if self._way is Way.REDIRECT else "sends for a token"
        host = host_of(url)[:255]
        return ForbiddenTargetError(
            f"{self.own.authority} {what} to {url.scheme}://{host}, which is not followed:"
            f" {reason}; if you trust it, list it in {self._setting}",
            host=self.own.authority,
        )


def host_of(url: URL) -> str:
    """The host in lower case, without brackets and final dot, as it is connected to."""
    return (url.raw_host or "").rstrip(".").lower()


def parse_target(location: str, *, base: URL) -> URL:
    """The URL of a Location or realm as it came, byte by byte: a signed URL must not be quoted
    anew. Raises ValueError."""
    location = location.strip()
    plain = location.isascii() and location.isprintable() and " " not in location
    if len(location) > MAX_URL or not plain:
        raise ValueError("a URL that is too long, or has characters that no URL has")
    url = base.join(URL(location, encoded=True))
    if url.user is not None or url.password is not None:
        raise ValueError("a URL with a user or a password in it")
    return url.with_fragment(None)


def _host_and_port(text: str) -> tuple[str, int | None]:
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not host or (port and not port.isdigit()) or any(char in host for char in " @?#"):
        raise ValueError(f"{text[:64]!r} is neither a host, a glob nor a network")
    return host.rstrip("."), int(port) if port else None
