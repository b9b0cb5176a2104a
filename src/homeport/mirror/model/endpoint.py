"""The end-points of the distribution specification (its end-1 to end-14), and our own."""

from enum import StrEnum

from msgspec import Struct


class Base(Struct, frozen=True):
    """end-1: `/v2/`."""


class Manifests(Struct, frozen=True):
    """end-3, end-7, end-9. `reference` is not validated yet: the answer depends on the method."""

    name: str
    reference: str


class Blob(Struct, frozen=True):
    """end-2, end-10. `digest` is not validated yet."""

    name: str
    digest: str


class Uploads(Struct, frozen=True):
    """end-4, end-11: `blobs/uploads/`."""

    name: str


class Upload(Struct, frozen=True):
    """end-5, end-6, end-13, end-14: one upload session."""

    name: str
    session: str


class Tags(Struct, frozen=True):
    """end-8."""

    name: str


class Referrers(Struct, frozen=True):
    """end-12. `digest` is not validated yet."""

    name: str
    digest: str


class Catalog(Struct, frozen=True):
    """`/v2/_catalog`."""


class Service(StrEnum):
    """What is not the registry's API; the value is the path."""

    TOKEN = "/token"  # noqa: S105 - a path
    HEALTH = "/healthz"
    READY = "/readyz"
    METRICS = "/metrics"


class Control(Struct, frozen=True):
    """Our own API, under `/_homeport/`: status, usage, explain, canaries. `path` has no prefix."""

    path: str


Named = Manifests | Blob | Uploads | Upload | Tags | Referrers
Endpoint = Base | Named | Catalog | Service | Control
