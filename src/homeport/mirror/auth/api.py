"""Authentication as `flow` sees it."""

from typing import Protocol

from msgspec import Struct

from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.principal import Principal


class Rejected(Struct, frozen=True):
    """Credentials were given and are wrong; `retry_after` is set where the address is throttled,
    `unavailable` where they cannot be judged now (503: nobody must take it for a wrong password).
    """

    reason: str
    retry_after: float | None = None
    unavailable: bool = False


class Authenticator(Protocol):
    @property
    def enabled(self) -> bool:
        """Whether anything is configured that could prove someone."""

    async def authenticate(self, request: Request) -> Principal | Rejected:
        """Who asks; without credentials (an empty Basic user included) that is `ANONYMOUS`. Does
        not suspend for a token or a password that was verified lately."""

    def challenge(self, request: Request, scope: str | None) -> str:
        """The WWW-Authenticate of a 401; `scope` is `repository:NAME:pull`, NAME as asked."""

    async def token(self, request: Request) -> Reply:
        """`GET` and `POST /token`: scopes are cut down to what the rules allow."""
