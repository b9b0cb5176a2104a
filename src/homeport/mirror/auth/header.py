"""The Authorization header (RFC 7617, RFC 6750). Whatever a client sends becomes a value."""

import base64
import binascii

from msgspec import Struct

MAX_CREDENTIALS = 12 * 1024


class Basic(Struct, frozen=True):
    user: str
    password: str


class Bearer(Struct, frozen=True):
    token: str


class Malformed(Struct, frozen=True):
    reason: str


def parse_authorization(text: str) -> Basic | Bearer | Malformed | None:
    """None for an empty Basic user: some clients send `Basic Og==` for "nobody"."""
    if len(text) > MAX_CREDENTIALS:
        return Malformed("the credentials are too long")
    scheme, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    match scheme.lower():
        case "basic":
            return _basic(rest)
        case "bearer" if rest and rest.isascii() and not any(char in rest for char in " ,\t"):
            return Bearer(rest)
        case "bearer":
            return Malformed("the bearer token is malformed")
        case _:
            return Malformed("the scheme is neither Basic nor Bearer")


def _basic(text: str) -> Basic | Malformed | None:
    try:
        decoded = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return Malformed("the Basic credentials are malformed")
    user, colon, password = decoded.partition(":")
    if not colon:
        return Malformed("the Basic credentials are malformed")
    if not user:
        return None
    if not user.isprintable() or "\0" in password:
        return Malformed("the Basic credentials hold control characters")
    return Basic(user, password)
