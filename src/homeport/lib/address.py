"""Whether an IP address is one of the public internet (RFC 6890), however it is written.

Import it late: `ipaddress` costs some milliseconds.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_COMPATIBLE = IPv6Network("::/96")
_PROTOCOL = IPv4Network("192.0.0.0/24")
"""IETF protocol assignments; Python's versions differ, and a cloud has its metadata there."""
_METADATA = frozenset((IPv4Address("168.63.129.16"),))
"""Services of a cloud for its machines at addresses that look public (Azure's WireServer)."""


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address without brackets, its zone (`%eth0`) dropped; None for a name."""
    try:
        return ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """False for loopback, private, link-local (metadata services), shared (CGNAT), multicast and
    reserved addresses, and for IPv6 addresses that carry such an IPv4 address."""
    if isinstance(address, IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local or address in _NAT64[1]:
            return False
    elif address in _PROTOCOL or address in _METADATA:
        return False
    return address.is_global and not address.is_multicast


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a packet to this one may end at (RFC 4291, 2765, 3056, 4380, 6052)."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if (
        address in _NAT64[0]
        or address in _TRANSLATED
        or (address in _COMPATIBLE and int(address) > 1)
    ):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
