"""Digests: `algorithm:hex` (image-spec descriptor.md, Digests)."""

import hashlib
import re
from typing import NewType, Protocol

Digest = NewType("Digest", str)
"""A digest that `parse_digest` has accepted."""

_REGISTERED = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")
ALGORITHMS = ("sha256", "sha512")


class Hash(Protocol):
    """The part of hashlib's objects that is used here."""

    def update(self, data: bytes | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...

    def copy(self) -> "Hash": ...


def parse_digest(text: str) -> Digest:
    """A digest of a registered algorithm; raises ValueError for anything else."""
    if _REGISTERED.fullmatch(text) is None:
        raise ValueError("a digest is sha256: and 64, or sha512: and 128 lower-case hex digits")
    return Digest(text)


def algorithm_of(digest: Digest) -> str:
    return digest.partition(":")[0]


def hex_of(digest: Digest) -> str:
    return digest.partition(":")[2]


def start_hash(algorithm: str = "sha256") -> Hash:
    """A running hash; raises ValueError for an algorithm that is not registered."""
    if algorithm not in ALGORITHMS:
        raise ValueError(f"unsupported digest algorithm {algorithm[:32]!r}")
    return hashlib.new(algorithm)


def digest_of(content: bytes, algorithm: str = "sha256") -> Digest:
    """The digest of bytes that are all there."""
    running = start_hash(algorithm)
    running.update(content)
    return Digest(f"{algorithm}:{running.hexdigest()}")
