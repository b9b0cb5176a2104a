"""A mirror's reading side on stores in memory, an upstream that follows a script, and a clock that
stands still."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import UpstreamConfig
from homeport.mirror.model.endpoint import Manifests as ManifestsEndpoint
from homeport.mirror.model.endpoint import Referrers, Tags
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import LOCAL, Repository, Route, Target
from homeport.mirror.pull.manifests import Manifests
from homeport.mirror.store.memory.metadata import MemoryMetadata
from homeport.mirror.upstream.api import BlobStream, ManifestAnswer, ManifestHead, UpstreamState
from homeport.oci.digest import Digest, digest_of
from homeport.oci.manifest import Manifest, parse_manifest
from homeport.oci.media_type import OCI_INDEX, OCI_MANIFEST
from homeport.remote.errors import NotFoundError, RemoteError, TimedOutError

HOST = "registry.example"
NGINX = Repository(HOST, "library/nginx")
OTHER = Repository(HOST, "library/redis")
TEAM = Repository(LOCAL, "team/app")


def image(name: str = "a", *, size: int = 0, **fields: Any) -> bytes:
    """A manifest of one config and one layer, each named by `name`; at least `size` bytes."""
    config = f"config {name}".encode()
    layer = f"layer {name}".encode()
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
            **fields,
            "padding": "x" * size,
        }
    ).encode()


def index(*children: bytes, **fields: Any) -> bytes:
    manifests = [_descriptor(OCI_MANIFEST, child) for child in children]
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests, **fields}
    ).encode()


def signature(
    subject: bytes, kind: str = "application/vnd.example.signature", **fields: Any
) -> bytes:
    return image(
        f"signature {kind}", artifactType=kind, subject=_descriptor(OCI_MANIFEST, subject), **fields
    )


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def parsed(content: bytes) -> Manifest:
    return parse_manifest(content, json.loads(content)["mediaType"])


class Clock:
    """Both clocks of a process, moved by hand."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.mono = 1000.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds


class ScriptedUpstream:
    """Answers what `put` gave it. `failure` makes every call fail, `failures` those of one
    reference; `gate`, while it is set to an event, holds every call until that is set."""

    def __init__(self, name: str = HOST) -> None:
        self.name = name
        self.content: dict[tuple[str, str], ManifestAnswer] = {}
        self.failure: RemoteError | None = None
        self.failures: dict[tuple[str, str], RemoteError] = {}
        self.gate: asyncio.Event | None = None
        self.says_digest = True
        self.asked: list[tuple[str, str]] = []
        self.deadlines: list[float | None] = []
        self.tag_names: list[str] = []
        self.more_tags = False
        self.referrers: dict[str, bytes | None] = {}

    def put(
        self,
        content: bytes,
        *tags: str,
        repository: str = NGINX.name,
        media_type: str | None = None,
    ) -> Digest:
        kind = media_type if media_type is not None else json.loads(content)["mediaType"]
        answer = ManifestAnswer(
            content=content, media_type=kind, digest=digest_of(content), source=HOST
        )
        for reference in (*tags, answer.digest):
            self.content[repository, reference] = answer
        return answer.digest

    def remove(self, reference: str, repository: str = NGINX.name) -> None:
        self.content.pop((repository, reference), None)

    async def _answer(self, method: str, reference: str, deadline: float | None) -> None:
        self.asked.append((method, reference))
        self.deadlines.append(deadline)
        if self.gate is not None:
            try:
                await asyncio.wait_for(self.gate.wait(), deadline)
            except TimeoutError:
                raise TimedOutError("no answer in time", host=HOST) from None
        failure = self.failures.get((method, reference), self.failure)
        if failure is not None:
            raise failure

    def _find(self, repository: str, reference: str) -> ManifestAnswer:
        found = self.content.get((repository, reference))
        if found is None:
            raise NotFoundError("manifest unknown", host=HOST, status=404)
        return found

    async def head_manifest(
        self, repository: str, reference: str, *, deadline: float | None = None, owner: str = ""
    ) -> ManifestHead:
        assert owner
        await self._answer("HEAD", reference, deadline)
        found = self._find(repository, reference)
        return ManifestHead(
            digest=found.digest if self.says_digest else None,
            media_type=found.media_type,
            size=len(found.content),
            source=HOST,
        )

    async def get_manifest(
        self, repository: str, reference: str, *, deadline: float | None = None, owner: str = ""
    ) -> ManifestAnswer:
        assert owner
        await self._answer("GET", reference, deadline)
        return self._find(repository, reference)

    async def head_blob(self, *_: Any, **__: Any) -> int | None:
        raise AssertionError("no blobs here")

    def open_blob(self, *_: Any, **__: Any) -> AbstractAsyncContextManager[BlobStream]:
        raise AssertionError("no blobs here")

    async def list_tags(
        self,
        repository: str,  # noqa: ARG002
        *,
        n: int | None,
        last: str | None,
        deadline: float | None = None,
    ) -> tuple[tuple[str, ...], bool]:
        await self._answer("TAGS", f"n={n} last={last}", deadline)
        return tuple(self.tag_names), self.more_tags

    async def get_referrers(
        self,
        repository: str,  # noqa: ARG002
        digest: Digest,
        *,
        deadline: float | None = None,
    ) -> bytes | None:
        await self._answer("REFERRERS", digest, deadline)
        return self.referrers.get(digest)

    def state(self) -> UpstreamState:
        return UpstreamState(name=self.name, healthy=True, active=0, waiting=0)

    async def close(self) -> None: ...


class Reading:
    """`Manifests` with everything around it. Calls answer the reply of a request, also where that
    is an error."""

    def __init__(self, config: UpstreamConfig, memory: int) -> None:
        self.config = config
        self.clock = Clock()
        self.upstream = ScriptedUpstream()
        self.metadata = MemoryMetadata(clock=lambda: self.clock.wall)
        self.manifests = Manifests(
            metadata=self.metadata,
            upstream_of=lambda _: self.upstream,
            config_of=lambda _: self.config,
            clock=lambda: self.clock.wall,
            monotonic=lambda: self.clock.mono,
            memory=memory,
        )

    async def get(
        self,
        reference: str,
        *,
        repository: Repository = NGINX,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        namespace: str | None = None,
    ) -> Reply:
        """As `flow` does it: from memory, else the long way."""
        request, target, endpoint = self.ask(
            reference, repository=repository, method=method, headers=headers, namespace=namespace
        )
        held = self.manifests.held(request, target, endpoint)
        return held or await self.manifests.manifest(request, target, endpoint)

    async def error(self, reference: str, **what: Any) -> RegistryError:
        try:
            reply = await self.get(reference, **what)
        except RegistryError as error:
            return error
        raise AssertionError(f"answered {reply.status}")

    def held(self, reference: str, repository: Repository = NGINX) -> Reply | None:
        return self.manifests.held(*self.ask(reference, repository=repository))

    async def tags(
        self,
        query: Mapping[str, str] | None = None,
        *,
        repository: Repository = NGINX,
        namespace: str | None = None,
        method: str = "GET",
    ) -> Reply:
        endpoint = Tags(name=repository.name)
        request = _request(method, endpoint, query or {}, {})
        return await self.manifests.tags(request, _target(repository, namespace), endpoint)

    async def referrers(
        self,
        digest: str,
        query: Mapping[str, str] | None = None,
        *,
        repository: Repository = NGINX,
        namespace: str | None = None,
    ) -> Reply:
        endpoint = Referrers(name=repository.name, digest=digest)
        request = _request("GET", endpoint, query or {}, {})
        return await self.manifests.referrers(request, _target(repository, namespace), endpoint)

    def ask(
        self,
        reference: str,
        *,
        repository: Repository = NGINX,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        namespace: str | None = None,
    ) -> tuple[Request, Target, ManifestsEndpoint]:
        endpoint = ManifestsEndpoint(name=repository.name, reference=reference)
        request = _request(method, endpoint, {}, headers or {})
        return request, _target(repository, namespace), endpoint

    async def push(self, content: bytes, *tags: str, repository: Repository = TEAM) -> Digest:
        manifest = parsed(content)
        await self.metadata.put_manifest(
            repository, manifest, tags=tags, at=self.clock.wall, durable=True
        )
        return manifest.digest


def _target(repository: Repository, namespace: str | None) -> Target:
    route = Route.LOCAL if repository.is_local else Route.HOST_PATH
    return Target(repository=repository, asked=repository.name, route=route, namespace=namespace)


def _request(
    method: str, endpoint: Any, query: Mapping[str, str], headers: Mapping[str, str]
) -> Request:
    return Request(
        listener="main",
        method=method,
        endpoint=endpoint,
        query=query,
        headers=headers,
        address="192.0.2.7",
        scheme="http",
        host="mirror.example",
        started=0.0,
    )


@asynccontextmanager
async def reading(memory: int = 1024**2, **config: Any) -> AsyncIterator[Reading]:
    """A reading side whose upstream has these settings; short time-outs by default."""
    settings = {"answer_timeout": 5.0, "revalidate_timeout": 0.05, **config}
    world = Reading(UpstreamConfig(name=HOST, urls=(f"https://{HOST}",), **settings), memory)
    try:
        yield world
    finally:
        await world.manifests.close()
