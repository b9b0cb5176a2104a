"""Who asks, and what they may do."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from homeport.mirror.model.names import Repository


class Proof(StrEnum):
    """How a principal was proven."""

    NONE = "none"
    PASSWORD = "password"  # noqa: S105 - a word of the audit
    ROBOT = "robot"
    TOKEN = "token"  # noqa: S105 - a word of the audit
    CERTIFICATE = "certificate"
    GITLAB = "gitlab"
    OIDC = "oidc"
    LDAP = "ldap"


class Principal(Struct, frozen=True, kw_only=True):
    """`name` empty is anonymous. `claims` are a verified token's; `scopes` is what a bearer token
    was issued for (`repository:NAME` → actions), None where the credential is not bound to any."""

    name: str = ""
    groups: tuple[str, ...] = ()
    proof: Proof = Proof.NONE
    claims: Mapping[str, str] = {}
    scopes: Mapping[str, frozenset[str]] | None = None

    @property
    def is_anonymous(self) -> bool:
        return not self.name


ANONYMOUS = Principal()


class Action(StrEnum):
    """The words of rules and of token scopes; ADMIN is our own API."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    CATALOG = "catalog"
    ADMIN = "admin"


class Access(Struct, frozen=True, kw_only=True):
    """One thing that someone wants to do. `repository` is None for catalog and administration,
    `address` the client's after trusted proxies, `reference` a tag or digest where there is one.
    `direct` False: a browser or a reverse proxy speaks for somebody else, so that an address of
    this machine proves nothing."""

    principal: Principal
    action: Action
    address: str
    listener: str
    repository: Repository | None = None
    reference: str | None = None
    direct: bool = True


class Allow(Struct, frozen=True, kw_only=True):
    """`rule` is the name of the rule that decided, `default` where none did."""

    rule: str


class Deny(Struct, frozen=True, kw_only=True):
    """`reason` is for the client and the audit. `login` says that another principal might be
    allowed: a registry listener then answers 401, a docker-mirror listener 403 all the same."""

    rule: str
    reason: str
    login: bool = False


Decision = Allow | Deny
