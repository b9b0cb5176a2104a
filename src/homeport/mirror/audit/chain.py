"""The hash chain of a segment. Pure.

The hash of a record is SHA-256 over the hash before it, its number and its line; the first one
continues the head of the segment before it, bound to the segment's own name. So no record can be
changed, left out, moved or taken to another segment without every later hash being another.
"""

import hashlib

import msgspec
from msgspec import Struct

EMPTY = bytes(32)
"""The head before the very first segment."""


class Start(Struct, frozen=True, kw_only=True):
    """What a segment begins with. `day` is `YYYY-MM-DD` (UTC); `previous` names the segment of this
    writer whose head this one goes on from, empty for the first."""

    writer: str
    day: str
    previous: str
    head: bytes

    @property
    def name(self) -> str:
        return f"{self.day}-{self.writer}"


class Head(Struct, frozen=True, kw_only=True):
    """The end of a chain at a time. `signature` is Ed25519 over `signed_bytes`, or empty."""

    segment: str
    number: int
    hash: bytes
    time: float
    signature: bytes = b""


def begin(start: Start) -> bytes:
    """The hash before a segment's first record."""
    text = f"homeport-audit-segment\n{start.writer}\n{start.day}\n{start.previous}\n"
    return hashlib.sha256(text.encode() + start.head).digest()


def link(previous: bytes, number: int, line: bytes) -> bytes:
    """The hash of one record; numbers count from 1."""
    return hashlib.sha256(b"%b%d:%b" % (previous, number, line)).digest()


def signed_bytes(head: Head) -> bytes:
    """What a head's signature is over."""
    return b"homeport-audit-head\n" + msgspec.json.encode(
        [head.segment, head.number, head.hash.hex(), head.time]
    )
