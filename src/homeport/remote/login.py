"""What proves who we are to a registry. Never printed: its `repr` shows no secret."""

from base64 import b64encode
from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """PASSWORD: Basic, also to the token service. IDENTITY: a refresh token for the token service's
    POST. BEARER: a token for the registry itself."""

    PASSWORD = "password"  # noqa: S105 (a kind, no secret)
    IDENTITY = "identity"
    BEARER = "bearer"


class Login(Struct, frozen=True, kw_only=True):
    kind: Kind = Kind.PASSWORD
    username: str = ""
    secret: str

    @property
    def basic(self) -> str:
        """The value of a header for Basic authentication (RFC 7617)."""
        return "Basic " + b64encode(f"{self.username}:{self.secret}".encode()).decode()

    def __repr__(self) -> str:
        return f"Login(kind={self.kind.value!r}, username={self.username!r}, secret=…)"


def login_of(username: str, secret: str) -> Login | None:
    """The login of a name and a secret; the name `<token>` marks an identity token (Docker). None
    where both are empty. Raises ValueError for what could split a header."""
    if not username and not secret:
        return None
    if any(ord(char) < 32 or ord(char) == 127 for char in username + secret) or ":" in username:
        raise ValueError("a user or password with control characters, or a user with a colon")
    if username == "<token>":
        return Login(kind=Kind.IDENTITY, secret=secret)
    return Login(username=username, secret=secret)
