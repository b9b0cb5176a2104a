"""Reading and writing as `flow` sees them. Everything raises `RegistryError`."""

from typing import Protocol

from homeport.mirror.model.endpoint import Blob, Manifests, Referrers, Tags
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import Target


class BlobReader(Protocol):
    async def blob(self, request: Request, target: Target, endpoint: Blob) -> Reply:
        """end-2, GET and HEAD, with ranges."""


class ManifestReader(Protocol):
    async def manifest(self, request: Request, target: Target, endpoint: Manifests) -> Reply:
        """end-3, GET and HEAD."""

    def held(self, request: Request, target: Target, endpoint: Manifests) -> Reply | None:
        """The answer from memory where that needs no I/O (fresh tag, digest), else None."""

    async def tags(self, request: Request, target: Target, endpoint: Tags) -> Reply:
        """end-8."""

    async def referrers(self, request: Request, target: Target, endpoint: Referrers) -> Reply:
        """end-12."""
