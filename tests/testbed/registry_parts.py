"""The mirror's local registry over HTTP, put together from its parts, without a configuration."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from homeport.mirror.auth.api import Rejected
from homeport.mirror.flow import Flow
from homeport.mirror.http.server import Server
from homeport.mirror.model.config import (
    LimitsConfig,
    ListenerConfig,
    MirrorConfig,
    NamespaceConfig,
    Role,
    UpstreamConfig,
)
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.principal import ANONYMOUS, Access, Allow, Decision, Principal
from homeport.mirror.names.resolver import make_resolver
from homeport.mirror.pull.blobs import Blobs
from homeport.mirror.pull.fills import Fills
from homeport.mirror.pull.manifests import Manifests
from homeport.mirror.push.writer import LocalWriter
from homeport.mirror.store.files import open_blobs
from homeport.mirror.store.sqlite.metadata import open_metadata
from homeport.remote.errors import UnreachableError


class _Everyone:
    enabled = False

    async def authenticate(self, request: Request) -> Principal | Rejected:  # noqa: ARG002
        return ANONYMOUS

    def challenge(self, request: Request, scope: str | None) -> str:
        raise NotImplementedError

    async def token(self, request: Request) -> Reply:
        raise NotImplementedError


class _Everything:
    def decide(self, access: Access) -> Decision:  # noqa: ARG002
        return Allow(rule="test")


class _Unshaped:
    def download(self, upstream: str) -> None:  # noqa: ARG002
        return None

    def delivery(self, address: str, upstream: str, *, hit: bool) -> None:  # noqa: ARG002
        return None


class _Unreachable:
    """An upstream that never answers."""

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: Any, **__: Any) -> Any:
            raise UnreachableError("nobody answers", host="upstream.example")

        return fail


def _upstream(_: str) -> Any:
    return _Unreachable()


def _upstream_config(name: str) -> UpstreamConfig:
    return UpstreamConfig(name=name, urls=(f"https://{name}",))


class _Control:
    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)


@contextmanager
def serve_registry(folder: Path, namespace: str) -> Iterator[str]:
    """A URL under which `namespace/…` may be pushed, pulled and deleted by everybody; the upstream
    `upstream.example` never answers."""
    urls: list[str] = []
    faults: list[BaseException] = []
    ready, end = threading.Event(), threading.Event()

    def work() -> None:
        try:
            asyncio.run(_serve(folder, namespace, urls, ready, end))
        except BaseException as error:  # noqa: BLE001 - raised again below
            faults.append(error)
            ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ready.wait(20), "the registry does not start"
        if urls:
            yield urls[0]
    finally:
        end.set()
        thread.join(20)
    if faults:
        raise faults[0]


async def _serve(
    folder: Path, namespace: str, urls: list[str], ready: threading.Event, end: threading.Event
) -> None:
    blobs = await open_blobs(folder / "blobs", quota=None, reserve=0, clock=time.time)
    metadata = await open_metadata(folder / "metadata.db", clock=time.time)
    listener = ListenerConfig(name="main", address="127.0.0.1:0", role=Role.REGISTRY)
    namespaces = {namespace: NamespaceConfig(name=namespace)}
    config = MirrorConfig(
        listeners=(listener,),
        data=str(folder),
        namespaces=namespaces,
        upstreams={"upstream.example": _upstream_config("upstream.example")},
    )
    fills = Fills(blobs=blobs, metadata=metadata, shaper=_Unshaped(), clock=time.time, owner="test")
    manifests = Manifests(
        metadata=metadata,
        upstream_of=_upstream,
        config_of=_upstream_config,
        clock=time.time,
        monotonic=time.monotonic,
    )
    writer = LocalWriter(
        blobs=blobs,
        metadata=metadata,
        namespaces=namespaces,
        limits=LimitsConfig(),
        read_only=lambda: False,
        clock=time.time,
    )
    control: Any = _Control()
    flow = Flow(
        roles={"main": Role.REGISTRY},
        resolve=make_resolver(config),
        authenticator=_Everyone(),
        policy=_Everything(),
        manifests=manifests,
        blobs=Blobs(
            blobs=blobs,
            metadata=metadata,
            upstream_of=_upstream,
            shaper=_Unshaped(),
            fills=fills,
            clock=time.time,
        ),
        writer=writer,
        control=control,
        audit=None,
        watch=lambda _: None,
    )
    server = Server(flow)
    await server.start([listener])
    urls.append(f"http://{server.addresses['main'][0]}")
    ready.set()
    await asyncio.to_thread(end.wait)
    await server.close(0)
    for part in (writer, manifests, fills, metadata, blobs):
        await part.close()
