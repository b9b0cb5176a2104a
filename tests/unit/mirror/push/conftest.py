"""A writer over stores in memory, driven by requests as `flow` would hand them on."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import pytest
from multidict import CIMultiDict

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import LimitsConfig, NamespaceConfig
from homeport.mirror.model.endpoint import Blob, Endpoint, Manifests, Upload, Uploads
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import LOCAL, Repository, Route, Target
from homeport.mirror.push.writer import LocalWriter
from homeport.mirror.store.memory.blobs import MemoryBlobs
from homeport.mirror.store.memory.metadata import MemoryMetadata
from homeport.oci.digest import Digest, digest_of
from homeport.oci.media_type import OCI_MANIFEST

Content = bytes | Iterable[bytes] | AsyncIterator[bytes]


class Registry:
    """`repository` is where requests go unless they say otherwise; what is in `unreadable` may not
    be mounted from. A refusal is raised as the writer raises it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.writable = True
        self.unreadable: set[Repository] = set()
        self.blobs = MemoryBlobs(clock=lambda: self.now)
        self.metadata = MemoryMetadata(clock=lambda: self.now)
        self.repository = Repository(LOCAL, "team/app")
        self.other = Repository(LOCAL, "team/other")
        self.configure()

    def configure(self, *, limits: LimitsConfig | None = None, **namespace: Any) -> None:
        """A server that has just started, on the same stores."""
        self.writer = LocalWriter(
            blobs=self.blobs,
            metadata=self.metadata,
            namespaces={
                "team": NamespaceConfig(name="team", **namespace),
                "free": NamespaceConfig(name="free"),
            },
            limits=limits or LimitsConfig(),
            read_only=lambda: not self.writable,
            clock=lambda: self.now,
            patience=0.02,
        )

    async def restart(self) -> None:
        await self.writer.close()
        self.configure()

    async def start(
        self, content: Content | None = None, *, into: Repository | None = None, **query: str
    ) -> Reply:
        target = self.target(into)
        request = self.request("POST", Uploads(target.asked), content, query=query)
        return await self.writer.start_upload(
            request, target, Uploads(target.asked), mountable=self._mountable
        )

    async def session(self, **query: str) -> str:
        """The name of a new upload."""
        return (await self.start(**query)).headers["Docker-Upload-UUID"]

    async def upload(
        self,
        method: str,
        session: str,
        content: Content | None = None,
        *,
        into: Repository | None = None,
        range: str | None = None,  # noqa: A002 - the header's name
        length: int | None = None,
        **query: str,
    ) -> Reply:
        target = self.target(into)
        endpoint = Upload(target.asked, session)
        headers = {} if range is None else {"content-range": range}
        request = self.request(method, endpoint, content, query=query, headers=headers)
        if length is not None:
            request.length = length
        return await self.writer.upload(request, target, endpoint)

    async def push(
        self, content: bytes, *, into: Repository | None = None, algorithm: str = "sha256"
    ) -> Digest:
        digest = digest_of(content, algorithm)
        assert (await self.start(content, into=into, digest=digest)).status == 201
        return digest

    async def put(
        self,
        document: Mapping[str, Any] | bytes,
        reference: str | None = None,
        *,
        into: Repository | None = None,
        media_type: str | None = OCI_MANIFEST,
        tags: tuple[str, ...] = (),
        length: int | None = None,
    ) -> Reply:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        target = self.target(into)
        endpoint = Manifests(target.asked, reference or digest_of(content))
        headers = {} if media_type is None else {"content-type": media_type}
        request = self.request("PUT", endpoint, content, headers=headers, tags=tags)
        if length is not None:
            request.length = length
        return await self.writer.put_manifest(request, target, endpoint)

    async def delete(self, reference: str, *, into: Repository | None = None) -> Reply:
        target = self.target(into)
        endpoint = Manifests(target.asked, reference)
        return await self.writer.delete_manifest(self.request("DELETE", endpoint), target, endpoint)

    async def delete_blob(self, digest: str, *, into: Repository | None = None) -> Reply:
        target = self.target(into)
        endpoint = Blob(target.asked, digest)
        return await self.writer.delete_blob(self.request("DELETE", endpoint), target, endpoint)

    def target(self, repository: Repository | None = None) -> Target:
        repository = repository or self.repository
        return Target(repository=repository, asked=repository.name, route=Route.LOCAL)

    def request(
        self,
        method: str,
        endpoint: Endpoint,
        content: Content | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        tags: tuple[str, ...] = (),
    ) -> Request:
        """Bytes have a Content-Length, anything else comes chunked."""
        return Request(
            listener="main",
            method=method,
            endpoint=endpoint,
            query={name.replace("_", "-"): text for name, text in (query or {}).items()},
            headers=CIMultiDict(headers or {}),
            address="192.0.2.7",
            scheme="http",
            host="registry.test",
            started=0.0,
            body=None if content is None else _chunks(content),
            length=len(content) if isinstance(content, bytes) else None if content else 0,
            tags=tags,
        )

    async def _mountable(self, repository: Repository) -> bool:
        return repository not in self.unreadable


async def _chunks(content: Content) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        for start in range(0, len(content), 700):
            yield content[start : start + 700]
            await asyncio.sleep(0)
    elif isinstance(content, AsyncIterator):
        async for data in content:
            yield data
    else:
        for data in content:
            yield data


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def refused() -> Any:
    """`async with refused(status, code) as why:` expects a refusal, and hands it out."""
    return _Refusal


class _Refusal:
    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code
        self.error: RegistryError

    async def __aenter__(self) -> "_Refusal":
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        assert isinstance(error, RegistryError), f"not refused: {error!r}"
        assert (error.status, error.code) == (self.status, self.code), str(error)
        self.error = error
        return True
