"""All parts of one mirror, wired."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from homeport import __version__
from homeport.errors import MissingError
from homeport.mirror.app.upstreams import Upstreams
from homeport.mirror.audit.writer import open_audit
from homeport.mirror.auth.authenticator import RegistryAuthenticator, make_authenticator
from homeport.mirror.bandwidth.shaper import BucketShaper
from homeport.mirror.control.service import ControlService
from homeport.mirror.flow import Flow
from homeport.mirror.http.server import Server
from homeport.mirror.model.config import ListenerConfig, MirrorConfig, Role
from homeport.mirror.names.resolver import Resolver, make_resolver
from homeport.mirror.policy.rules import RulePolicy, make_policy
from homeport.mirror.pull.blobs import Blobs as BlobReader
from homeport.mirror.pull.fill_policy import FillPolicy
from homeport.mirror.pull.fills import Fills
from homeport.mirror.pull.manifests import Manifests
from homeport.mirror.push.writer import LocalWriter
from homeport.mirror.store.api import Metadata, StoreError
from homeport.mirror.store.files import FileBlobs, open_blobs
from homeport.mirror.store.sqlite.metadata import open_metadata
from homeport.mirror.store.sweep import Sweep

log = logging.getLogger("homeport.mirror")

CONTROL = "control"
"""The listener on a Unix socket in the data folder, by which the commands reach the server: who may
open the socket owns the data."""

SOCKET = "control.sock"
_HOUSEKEEPING = 60.0


class Mirror:
    """One running mirror. Made by `open_mirror`."""

    def __init__(self, config: MirrorConfig) -> None:
        self.config = config
        self._stack = AsyncExitStack()
        self._draining = False
        self._resolve: Resolver = make_resolver(_with_control(config))
        self._policy: RulePolicy = make_policy(config)

    async def open(self) -> None:
        """Open the stores, wire the parts, listen. Raises HomeportError; nothing is open then."""
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise

    async def _open(self) -> None:
        config, data = self.config, Path(self.config.data)
        blobs, metadata = await self._stores(data)
        self._upstreams = Upstreams(
            config.upstreams, env=os.environ, manifest_bytes=config.limits.manifest_bytes
        )
        self._stack.push_async_callback(self._upstreams.close)
        self._shaper = BucketShaper(config)
        self._fills = fills = Fills(
            blobs=blobs,
            metadata=metadata,
            shaper=self._shaper,
            clock=time.time,
            owner=socket.gethostname(),
            policy=FillPolicy(largest=config.limits.blob_bytes),
        )
        self._stack.push_async_callback(fills.close)
        self._manifests = Manifests(
            metadata=metadata,
            upstream_of=self._upstreams.of,
            config_of=self._upstreams.config_of,
            clock=time.time,
            monotonic=time.monotonic,
        )
        self._stack.push_async_callback(self._manifests.close)
        self._writer = LocalWriter(
            blobs=blobs,
            metadata=metadata,
            namespaces=config.namespaces,
            limits=config.limits,
            read_only=lambda: self.config.read_only,
            clock=time.time,
        )
        self._stack.push_async_callback(self._writer.close)
        self._authenticator = await self._authentication(data)
        self._stack.push_async_callback(self._authenticator.close)
        self._audit = await open_audit(config.audit, data / "audit", clock=time.time)
        if self._audit is not None:
            self._stack.push_async_callback(self._audit.close)
        self._sweep = Sweep(
            blobs,
            metadata,
            config.store,
            time.time,
            staged_age=config.limits.upload_age,
            failed=lambda error: log.error("the sweep failed: %s", error),
        )
        # A power cut may have taken cache bytes whose rows are there.
        await self._sweep.reconcile()
        blobs.when_full = self._sweep.evict
        self._control = ControlService(
            config=lambda: self.config,
            resolve=lambda: self._resolve,
            policy=lambda: self._policy,
            metadata=metadata,
            blobs=blobs,
            upstreams=lambda: self._upstreams.by_name,
            facts=self._facts,
            ready=self._unready,
            tasks={"collect": self._collect},
            version=__version__,
        )
        self.flow = Flow(
            roles=_roles(config),
            resolve=self._resolve,
            authenticator=self._authenticator,
            policy=self._policy,
            manifests=self._manifests,
            blobs=BlobReader(
                blobs=blobs,
                metadata=metadata,
                upstream_of=self._upstreams.of,
                shaper=self._shaper,
                fills=fills,
                clock=time.time,
            ),
            writer=self._writer,
            control=self._control,
            audit=self._audit,
            watch=self._watch,
        )
        self._begin("sweep", self._sweep.run)
        self._begin("housekeeping", self._housekeeping)
        await self._listen()

    async def _stores(self, data: Path) -> tuple[FileBlobs, Metadata]:
        store = self.config.store
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            blobs = await open_blobs(
                data, quota=store.quota, reserve=store.reserve, clock=time.time
            )
            self._stack.push_async_callback(blobs.close)
            metadata = await open_metadata(data / "metadata.db", clock=time.time)
            self._stack.push_async_callback(metadata.close)
        except (StoreError, OSError) as error:
            raise MissingError.of(f"the store in {data} cannot be opened: {error}") from None
        return blobs, metadata

    async def _authentication(self, data: Path) -> RegistryAuthenticator:
        return await asyncio.to_thread(
            make_authenticator,
            self.config.auth,
            data=data,
            policy=lambda: self._policy,
            resolve=self._resolve,
            listeners=self.config.listeners,
        )

    async def _listen(self) -> None:
        config = self.config
        server = Server(self.flow, limits=config.limits, trusted_proxies=config.trusted_proxies)
        self._stack.push_async_callback(self._close_server, server)
        self.server = server
        try:
            await server.start(_with_control(config).listeners)
        except (OSError, ValueError) as error:
            raise MissingError.of(f"cannot listen: {error}") from None
        for name, addresses in server.addresses.items():
            log.info("listening: %s at %s", name, ", ".join(addresses))

    async def _close_server(self, server: Server) -> None:
        await server.close(self.config.limits.drain_timeout)

    async def reload(self, config: MirrorConfig) -> None:
        """New settings for new requests; transfers under way go on. What names the data folder or
        the stores' bounds needs a restart, which the log says. Raises, and has changed nothing."""
        resolve, policy = make_resolver(_with_control(config)), make_policy(config)
        await self.server.reload(
            _with_control(config).listeners,
            limits=config.limits,
            trusted_proxies=config.trusted_proxies,
        )
        self._upstreams.replace(config.upstreams)
        await self._authenticator.reload(config.auth, listeners=config.listeners, resolve=resolve)
        self._shaper.replace(config)
        self._writer.replace(namespaces=config.namespaces, limits=config.limits)
        for key in ("data", "store", "audit"):
            if getattr(config, key) != getattr(self.config, key):
                log.warning("a new `%s` is used after a restart", key)
        self._resolve, self._policy, self.config = resolve, policy, config
        self._manifests.reconfigured()
        self.flow.replace(
            roles=_roles(config),
            resolve=resolve,
            authenticator=self._authenticator,
            policy=policy,
        )

    async def close(self) -> None:
        """Stop accepting, let transfers end within `drain_timeout`, close everything in order."""
        self._draining = True
        await self._stack.aclose()

    def _begin(self, name: str, run: Callable[[], Any]) -> None:
        task = asyncio.create_task(run(), name=name)
        self._stack.push_async_callback(_cancel, task)

    def _watch(self, record: Any) -> None:
        self._control.recent.saw(record)
        self._control.metrics.saw(record)

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING)
            try:
                await self._writer.expire()
                await self._upstreams.close_retired()
            except StoreError:
                log.exception("housekeeping failed")

    def _unready(self) -> str | None:
        return "shutting down" if self._draining else None

    def _facts(self) -> Mapping[str, float]:
        counts = msgspec.to_builtins(self._fills.counts)
        facts = {f"fills_{name}": float(value) for name, value in counts.items()}
        facts["connections"] = float(self.server.open_connections)
        return facts

    async def _collect(self, _query: Mapping[str, str]) -> Any:
        return msgspec.to_builtins(await self._sweep.collect())


async def _cancel(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _with_control(config: MirrorConfig) -> MirrorConfig:
    control = ListenerConfig(
        name=CONTROL, address=f"unix:{Path(config.data, SOCKET)}", role=Role.REGISTRY
    )
    return msgspec.structs.replace(config, listeners=(*config.listeners, control))


def _roles(config: MirrorConfig) -> dict[str, Role]:
    return {entry.name: entry.role for entry in _with_control(config).listeners}
