"""What a client's path means."""

from enum import StrEnum

from msgspec import Struct

LOCAL = "local"
"""The `upstream` of repositories that are pushed to the mirror and come from nowhere else."""


class Repository(Struct, frozen=True, order=True):
    """One that the store knows: `docker.io` and `library/nginx`, `local` and `team/app`."""

    upstream: str
    name: str

    @property
    def is_local(self) -> bool:
        return self.upstream == LOCAL

    @property
    def overlay(self) -> "Repository":
        """Where local referrers of a mirrored repository are kept. No pushed repository has this
        name: a namespace has no dot and no colon, an upstream's name has one."""
        return Repository(LOCAL, str(self))

    @property
    def is_overlay(self) -> bool:
        """Whether it keeps the local referrers of a mirrored repository."""
        first = self.name.partition("/")[0]
        return self.is_local and ("." in first or ":" in first)

    @property
    def mirrored(self) -> "Repository":
        """The mirrored repository that an overlay belongs to."""
        upstream, _, name = self.name.partition("/")
        return Repository(upstream, name)

    def __str__(self) -> str:
        return f"{self.upstream}/{self.name}"


class Route(StrEnum):
    """How the path led to the repository."""

    DEFAULT = "default"
    NAMESPACE = "ns"
    HOST_PATH = "host-path"
    ALIAS = "alias"
    VIRTUAL_HOST = "virtual-host"
    LOCAL = "local"
    CANARY = "canary"


class Target(Struct, frozen=True, kw_only=True):
    """Where a request leads. `asked` is the name as the client wrote it, for Location, Link and
    bodies; `namespace` the `ns` to echo as OCI-Namespace; `nonce` that of an enrolment canary."""

    repository: Repository
    asked: str
    route: Route
    namespace: str | None = None
    nonce: str | None = None


class Refusal(Struct, frozen=True, kw_only=True):
    """A name that leads nowhere: `unknown_upstream` is 403 DENIED, `invalid` 400 NAME_INVALID, else
    it is 404 NAME_UNKNOWN."""

    message: str
    unknown_upstream: bool = False
    invalid: bool = False
