"""`Writer`: the two halves, behind the check for read-only mode."""

from collections.abc import Callable, Mapping

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import LimitsConfig, NamespaceConfig
from homeport.mirror.model.endpoint import Blob, Manifests, Upload, Uploads
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import Target
from homeport.mirror.push import refusal
from homeport.mirror.push.api import Mountable
from homeport.mirror.push.blobs import BlobWriter
from homeport.mirror.push.manifests import ManifestWriter
from homeport.mirror.push.namespaces import Namespaces
from homeport.mirror.push.sessions import Sessions
from homeport.mirror.store.api import Blobs, Metadata
from homeport.oci.error_code import ErrorCode


class LocalWriter:
    """Pushes and deletes of local repositories, and of the overlays of mirrored ones.

    `clock` is seconds since 1970. `patience` is how many seconds a request waits for another that
    writes to the same upload. Call `expire` every few minutes and `close` at the end.
    """

    def __init__(
        self,
        *,
        blobs: Blobs,
        metadata: Metadata,
        namespaces: Mapping[str, NamespaceConfig],
        limits: LimitsConfig,
        read_only: Callable[[], bool],
        clock: Callable[[], float],
        patience: float = 5.0,
    ) -> None:
        self._read_only = read_only
        self._namespaces = Namespaces(namespaces, metadata)
        self._sessions = Sessions(
            blobs=blobs, metadata=metadata, limits=limits, clock=clock, patience=patience
        )
        self._blobs = BlobWriter(
            blobs=blobs,
            metadata=metadata,
            namespaces=self._namespaces,
            sessions=self._sessions,
            limits=limits,
            clock=clock,
        )
        self._manifests = ManifestWriter(
            metadata=metadata, namespaces=self._namespaces, limits=limits, clock=clock
        )

    def replace(self, *, namespaces: Mapping[str, NamespaceConfig], limits: LimitsConfig) -> None:
        """New settings after a reload; uploads that are open stay open."""
        self._namespaces.replace(namespaces)
        self._sessions.replace(limits)
        self._blobs.replace(limits)
        self._manifests.replace(limits)

    async def start_upload(
        self,
        request: Request,
        target: Target,
        endpoint: Uploads,  # noqa: ARG002 - the path says no more than the target
        *,
        mountable: Mountable,
    ) -> Reply:
        self._check_writable()
        return await self._blobs.start(request, target, mountable)

    async def upload(self, request: Request, target: Target, endpoint: Upload) -> Reply:
        match request.method:
            case "GET" | "HEAD":
                return await self._blobs.status(target, endpoint)
            case "DELETE":
                return await self._blobs.cancel(target, endpoint)
            case "PATCH":
                self._check_writable()
                return await self._blobs.patch(request, target, endpoint)
            case "PUT":
                self._check_writable()
                return await self._blobs.put(request, target, endpoint)
            case method:
                raise RegistryError(ErrorCode.UNSUPPORTED, f"no {method} for an upload")

    async def put_manifest(self, request: Request, target: Target, endpoint: Manifests) -> Reply:
        self._check_writable()
        return await self._manifests.put(request, target, endpoint)

    async def delete_manifest(
        self,
        request: Request,  # noqa: ARG002 - all that matters is in the path
        target: Target,
        endpoint: Manifests,
    ) -> Reply:
        self._check_writable()
        return await self._manifests.delete(target, endpoint)

    async def delete_blob(
        self,
        request: Request,  # noqa: ARG002 - all that matters is in the path
        target: Target,
        endpoint: Blob,
    ) -> Reply:
        self._check_writable()
        return await self._blobs.delete(target, endpoint)

    async def expire(self) -> int:
        """Drop uploads that are older than `limits.upload_age`; how many."""
        return await self._sessions.expire()

    async def close(self) -> None:
        """Let go of the stores; uploads go on after the next start."""
        await self._sessions.close()

    def _check_writable(self) -> None:
        if self._read_only():
            raise refusal.read_only()
