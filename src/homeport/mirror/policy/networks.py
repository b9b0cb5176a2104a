"""Addresses and networks. An IPv4 address inside IPv6 (RFC 4291, 2.5.5.2) is the IPv4 address."""

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNIX = "unix"
"""The address of whoever comes through a unix socket."""

_MAPPED = IPv6Network("::ffff:0:0/96")


def parse_address(text: str) -> Address | None:
    """None for what is no address: it is in no network. A zone (`%eth0`) is not looked at."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def parse_network(text: str) -> Network:
    """A CIDR, or one address. Raises ValueError, also for bits set behind the prefix: who writes
    `10.1.2.3/8` may have meant one host or many."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        return IPv4Network((str(mapped), network.prefixlen - 96))
    return network


def is_local(text: str) -> bool:
    """Whether someone on this very machine asks."""
    if text == UNIX or text.startswith(f"{UNIX}:"):
        return True
    address = parse_address(text)
    return address is not None and address.is_loopback


def member_bits(text: str, networks: Sequence[Network]) -> int:
    """Bit n is set where the address is in network n."""
    address = parse_address(text)
    if address is None:
        return 0
    return sum(1 << n for n, network in enumerate(networks) if address in network)
