"""A blob reader over stores in memory and a scripted upstream, and a client of it."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.endpoint import Blob
from homeport.mirror.model.exchange import FileBody, Reply, Request, StreamBody
from homeport.mirror.model.names import LOCAL, Repository, Route, Target
from homeport.mirror.model.record import Cache
from homeport.mirror.pull.blobs import Blobs
from homeport.mirror.pull.fill_policy import FillPolicy
from homeport.mirror.pull.fills import Fills
from homeport.mirror.store.memory.blobs import MemoryBlobs
from homeport.mirror.store.memory.metadata import MemoryMetadata
from homeport.oci.digest import Digest, digest_of
from homeport.oci.manifest import Descriptor, Manifest
from homeport.oci.media_type import OCI_MANIFEST
from testbed.scripted_upstream import ScriptedUpstream

KIB = 1024
POLICY = FillPolicy(withheld=4 * KIB, ahead=64 * KIB, piece=8 * KIB, batch=8 * KIB, slice=16 * KIB)
"""Everything small, so that tests with blobs of 100 KiB meet every case."""


class Unshaped:
    """`Shaper` without a limit."""

    def download(self, upstream: str, owner: str = "") -> None:  # noqa: ARG002
        return None

    def delivery(self, address: str, upstream: str, *, hit: bool) -> None:  # noqa: ARG002
        return None


class Clock:
    """Seconds since 1970, and a sleep that does not: `slept` are its lengths."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


def blob(size: int, seed: int = 1) -> tuple[bytes, Digest]:
    content = random.Random(seed).randbytes(size)  # noqa: S311 - the same bytes each time
    return content, digest_of(content)


class Bench:
    """`blobs`, `metadata`, `upstream`, `others` (further upstreams), `fills` and `reader`."""

    def __init__(
        self,
        *,
        policy: FillPolicy = POLICY,
        blobs: Any = None,
        metadata: Any = None,
        shaper: Any = None,
        owner: str = "here",
    ) -> None:
        self.clock = Clock()
        self.blobs: Any = MemoryBlobs(clock=self.clock) if blobs is None else blobs
        self.metadata: Any = MemoryMetadata(clock=self.clock) if metadata is None else metadata
        self.upstream = ScriptedUpstream()
        self.others: dict[str, ScriptedUpstream] = {}
        self.shaper = shaper or Unshaped()
        self.fills = Fills(
            blobs=self.blobs,
            metadata=self.metadata,
            shaper=self.shaper,
            clock=self.clock,
            owner=owner,
            policy=policy,
            sleep=self.clock.sleep,
        )
        self.reader = Blobs(
            blobs=self.blobs,
            metadata=self.metadata,
            upstream_of=lambda name: self.others.get(name, self.upstream),
            shaper=self.shaper,
            fills=self.fills,
            clock=self.clock,
            monotonic=self.clock,
        )

    async def show(
        self, content: bytes, name: str = "library/app", *, size: int | None = None
    ) -> Digest:
        """A blob that the upstream has and that a held manifest of the repository references."""
        digest = digest_of(content)
        self.upstream.blobs[name, digest] = content
        await self.refer(digest, name, size=len(content) if size is None else size)
        return digest

    async def refer(self, digest: Digest, name: str = "library/app", *, size: int) -> None:
        text = f'{{"schemaVersion":2,"salt":"{name}{digest}"}}'.encode()
        layer = Descriptor(media_type="application/x", digest=digest, size=size)
        manifest = Manifest(
            digest=digest_of(text), media_type=OCI_MANIFEST, content=text, blobs=(layer,)
        )
        await self.metadata.put_manifest(
            Repository("docker.io", name), manifest, at=self.clock(), durable=False
        )

    async def ask(
        self,
        digest: str,
        name: str = "library/app",
        *,
        upstream: str = "docker.io",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        namespace: str | None = None,
        address: str = "10.0.0.1",
    ) -> Reply:
        repository = Repository(upstream, name)
        route = Route.LOCAL if upstream == LOCAL else Route.DEFAULT
        target = Target(repository=repository, asked=name, route=route, namespace=namespace)
        endpoint = Blob(name, digest)
        request = Request(
            listener="main",
            method=method,
            endpoint=endpoint,
            query={},
            headers=dict(headers or {}),
            address=address,
            scheme="http",
            host="mirror",
            started=0.0,
            target=target,
        )
        return await self.reader.blob(request, target, endpoint)

    async def get(self, digest: str, range_: str | None = None, **more: Any) -> "Client":
        headers = {} if range_ is None else {"Range": range_}
        return Client(await self.ask(digest, headers=headers, **more))

    async def refusal(self, digest: str, **more: Any) -> RegistryError:
        try:
            reply = await self.ask(digest, **more)
        except RegistryError as error:
            return error
        raise AssertionError(f"it was answered: {reply.status}")


class Client:
    """Takes an answer piece by piece. `got` is what came so far."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.status = reply.status
        self.headers = reply.headers
        self.got = b""
        self.done = False

    @property
    def cache(self) -> Cache | None:
        return None if self.reply.outcome is None else self.reply.outcome.cache

    async def take(self, size: int) -> bytes:
        """Read until at least so many bytes came."""
        body = self.reply.body
        assert isinstance(body, StreamBody)
        while len(self.got) < size:
            piece = await anext(body.chunks, None)
            if piece is None:
                self.done = True
                break
            assert piece
            self.got += piece
        return self.got

    async def rest(self) -> bytes:
        """Everything; raises CutError. The body is closed."""
        body = self.reply.body
        if isinstance(body, bytes):
            return body
        if isinstance(body, FileBody):
            try:
                return os.pread(body.descriptor, body.length, body.offset)
            finally:
                body.close()
        try:
            await self.take(1 << 62)
        finally:
            await body.close()
        if body.length is not None:
            assert len(self.got) == body.length
        return self.got

    async def leave(self) -> None:
        body = self.reply.body
        if isinstance(body, StreamBody):
            await body.close()
        elif isinstance(body, FileBody):
            body.close()


@asynccontextmanager
async def bench(**more: Any) -> AsyncIterator[Bench]:
    """A bench that leaves no task, seat, reservation or staging behind."""
    before = asyncio.all_tasks()
    made = Bench(**more)
    try:
        yield made
    finally:
        await made.fills.close()
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - before
        assert not left, left
        assert made.upstream.active == 0
        assert not getattr(made.blobs, "reservations", ())
        assert not getattr(made.blobs, "writers", ())


async def settle(rounds: int = 200) -> None:
    """Let everything that can go on go on."""
    for _ in range(rounds):
        await asyncio.sleep(0)
