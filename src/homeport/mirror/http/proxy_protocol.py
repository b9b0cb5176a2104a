"""The PROXY protocol, version 2 (haproxy's proxy-protocol.txt, section 2.2). Pure."""

import struct
from ipaddress import IPv4Address, IPv6Address

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FIXED = 16
MAX_REST = 2048
"""Bytes of addresses and TLVs; senders stay under 536 for the whole header."""


def length_of(fixed: bytes) -> int:
    """How many bytes follow the fixed 16. Raises ValueError for anything but a version 2 header."""
    if len(fixed) != FIXED or not fixed.startswith(SIGNATURE):
        raise ValueError("no PROXY protocol header")
    if fixed[12] >> 4 != 2 or fixed[12] & 0xF > 1:
        raise ValueError("unknown version or command of the PROXY protocol")
    (length,) = struct.unpack_from(">H", fixed, 14)
    if length > MAX_REST:
        raise ValueError("the PROXY protocol header is too long")
    return int(length)


def source_of(fixed: bytes, rest: bytes) -> str | None:
    """The client's address; None where the proxy speaks for itself (LOCAL) or for no IP client.
    Raises ValueError for a header that is cut short."""
    if fixed[12] & 0xF == 0:
        return None
    family = fixed[13] >> 4
    if family == 1:
        if len(rest) < 12:
            raise ValueError("the PROXY protocol header is cut short")
        return str(IPv4Address(rest[:4]))
    if family == 2:
        if len(rest) < 36:
            raise ValueError("the PROXY protocol header is cut short")
        address = IPv6Address(rest[:16])
        return str(address.ipv4_mapped or address)
    return None
