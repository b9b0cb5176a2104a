"""Who really asks, where reverse proxies that are trusted pass requests on."""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeVar

from msgspec import Struct

UNIX = "unix"
"""The address of whoever speaks over a unix socket, unless its proxy names another."""

MAX_HOPS = 32
_Part = TypeVar("_Part")
_HOST = re.compile(
    r"[a-z0-9_](?:[a-z0-9._-]{0,253})(?::[0-9]{1,5})?|\[[0-9a-f:.]{2,45}\](?::[0-9]{1,5})?"
)
_PAIR = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*')


class Origin(Struct, frozen=True):
    """The client's address, and scheme and host as the client used them."""

    address: str
    scheme: str
    host: str


def plain_address(text: str) -> str | None:
    """An IP address in its one spelling (IPv4 in IPv6 and zones undone), None for anything else."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def valid_host(text: str) -> str | None:
    """A Host header in lower case, None where it is none."""
    text = text.strip().lower()
    return text if _HOST.fullmatch(text) else None


class TrustedProxies:
    """Who may say for whom he asks: networks in CIDR notation, and `unix` for unix sockets.

    Raises ValueError for what is neither.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        texts = tuple(networks)
        self._unix = UNIX in texts
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(text, strict=False) for text in texts if text != UNIX
        ]
        self._known: dict[str, bool] = {}

    def trusts(self, address: str) -> bool:
        if not self._networks:
            return self._unix and address == UNIX
        known = self._known.get(address)
        if known is None:
            if len(self._known) > 4096:
                self._known.clear()
            known = self._known[address] = self._find(address)
        return known

    def _find(self, address: str) -> bool:
        if address == UNIX:
            return self._unix
        parsed = ip_address(address)
        return any(parsed in network for network in self._networks)

    def origin(self, peer: Origin, headers: Mapping[str, str]) -> Origin:
        """What a trusted peer's X-Forwarded-… or Forwarded (RFC 7239) say; anyone else's are not
        read. Raises ValueError where both are there and name different clients: a proxy that writes
        one passes the other on as the client sent it, and nobody can tell which is which.
        """
        if not self.trusts(peer.address):
            return peer
        found = []
        listed = headers.get("X-Forwarded-For")
        if listed is not None:
            found.append(self._from_x_forwarded(peer, listed, headers))
        forwarded = headers.get("Forwarded")
        if forwarded is not None:
            found.append(self._from_forwarded(peer, forwarded))
        if len(found) == 2 and found[0].address != found[1].address:
            raise ValueError("X-Forwarded-For and Forwarded name different clients")
        return found[0] if found else self._named(peer, peer.address, headers)

    def _from_x_forwarded(self, peer: Origin, listed: str, headers: Mapping[str, str]) -> Origin:
        address = peer.address
        for part in _from_the_right(listed.split(",")):
            if not self.trusts(address):
                break
            address = _known(part)
        return self._named(peer, address, headers)

    def _named(self, peer: Origin, address: str, headers: Mapping[str, str]) -> Origin:
        scheme = _last(headers.get("X-Forwarded-Proto", "")).lower()
        host = valid_host(_last(headers.get("X-Forwarded-Host", "")))
        return Origin(
            address, scheme if scheme in ("http", "https") else peer.scheme, host or peer.host
        )

    def _from_forwarded(self, peer: Origin, text: str) -> Origin:
        address, scheme, host = peer.address, peer.scheme, peer.host
        for element in _from_the_right(_elements(text)):
            if not self.trusts(address):
                break
            if "for" not in element:
                break
            address = _known(element["for"])
            said = element.get("proto", "").lower()
            scheme = said if said in ("http", "https") else scheme
            host = valid_host(element.get("host", "")) or host
        return Origin(address, scheme, host)


def _from_the_right(parts: list[_Part]) -> list[_Part]:
    """The nearest proxy's word first."""
    if len(parts) > MAX_HOPS:
        raise ValueError(f"more than {MAX_HOPS} proxies are named")
    return parts[::-1]


def _known(text: str) -> str:
    """An address of a list, without its port. A proxy that hides its client (`unknown`, `_token`)
    is no way to be taken for somebody: raises ValueError."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    address = plain_address(text)
    if address is None:
        raise ValueError("a proxy names a client that is no IP address")
    return address


def _last(text: str) -> str:
    return text.rpartition(",")[2].strip()


def _elements(text: str) -> list[dict[str, str]]:
    """RFC 7239, section 4: `for=…;proto=…, for=…`."""
    elements: list[dict[str, str]] = [{}]
    at = 0
    while at < len(text):
        found = _PAIR.match(text, at)
        if found is None:
            raise ValueError("the Forwarded header is malformed")
        name, value = found[1].lower(), found[2]
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        elements[-1].setdefault(name, value)
        at = found.end()
        if at < len(text):
            if text[at] not in ";,":
                raise ValueError("the Forwarded header is malformed")
            if text[at] == ",":
                elements.append({})
            at += 1
    return elements
