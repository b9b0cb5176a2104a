"""Writing as `flow` sees it. Everything raises `RegistryError`; targets are local repositories."""

from typing import Protocol

from homeport.mirror.model.endpoint import Blob, Manifests, Upload, Uploads
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import Repository, Target


class Mountable(Protocol):
    async def __call__(self, repository: Repository) -> bool:
        """Whether this request's principal may pull from the repository that a mount names."""


class Writer(Protocol):
    async def start_upload(
        self, request: Request, target: Target, endpoint: Uploads, *, mountable: Mountable
    ) -> Reply:
        """end-4, end-11."""

    async def upload(self, request: Request, target: Target, endpoint: Upload) -> Reply:
        """end-5 PATCH, end-6 PUT, end-13 GET, end-14 DELETE."""

    async def put_manifest(self, request: Request, target: Target, endpoint: Manifests) -> Reply:
        """end-7, also a referrer of a mirrored image (a local overlay): its target is mirrored."""

    async def delete_manifest(self, request: Request, target: Target, endpoint: Manifests) -> Reply:
        """end-9."""

    async def delete_blob(self, request: Request, target: Target, endpoint: Blob) -> Reply:
        """end-10."""
