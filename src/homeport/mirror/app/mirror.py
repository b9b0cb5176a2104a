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
from homeport.errors import MissingError, UsageError
from homeport.mirror.app.upkeep import collect, purge_image, repository_of, verify, with_control
from homeport.mirror.app.upstreams import Upstreams
from homeport.mirror.audit.writer import open_audit
from homeport.mirror.auth.authenticator import RegistryAuthenticator, make_authenticator
from homeport.mirror.bandwidth.shaper import BucketShaper
from homeport.mirror.control.image_name import parse_image
from homeport.mirror.control.jobs import Work
from homeport.mirror.control.service import ControlService
from homeport.mirror.errors import RegistryError
from homeport.mirror.flow import Flow
from homeport.mirror.http.server import Server
from homeport.mirror.model.config import MirrorConfig, Role
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
from homeport.oci.error_code import ErrorCode

log = logging.getLogger("homeport.mirror")

FIXED = ("data", "store", "audit")
"""Settings that a reload does not change."""

_HOUSEKEEPING = 60.0


class Mirror:
    """One running mirror, from `open` to `close`."""

    def __init__(self, config: MirrorConfig) -> None:
        self.config = config
        self._stack = AsyncExitStack()
        self.draining = False
        self._drain = 0.0
        self.waits_for_restart: tuple[str, ...] = ()
        self.last_reload: Mapping[str, Any] | None = None
        self._resolve: Resolver = make_resolver(with_control(config))
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
        blobs, metadata = self._blobs, self._metadata = await self._stores(data)
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
            tasks={"collect": self._collect, "purge": self._purge},
            jobs={"verify": self._verify},
            about=self._about,
            groups_of=self._authenticator.groups_of,
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
        self._stack.push_async_callback(self._control.close)
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
            await server.start(with_control(config).listeners)
        except (OSError, ValueError) as error:
            raise MissingError.of(f"cannot listen: {error}") from None
        for name, addresses in server.addresses.items():
            log.info("listening: %s at %s", name, ", ".join(addresses))

    async def _close_server(self, server: Server) -> None:
        await server.close(self._drain)

    async def reload(self, config: MirrorConfig) -> None:
        """New settings for new requests; transfers under way go on. What names the data folder or
        the stores' bounds needs a restart, which the log and `status` say. Raises, and has changed
        nothing then: all that may fail comes before `switch`, which cannot."""
        waiting = tuple(key for key in FIXED if getattr(config, key) != getattr(self.config, key))
        config = msgspec.structs.replace(
            config, **{key: getattr(self.config, key) for key in waiting}
        )
        wired = with_control(config)
        resolve, policy = make_resolver(wired), make_policy(config)
        BucketShaper(config)  # raises what `replace` would
        login = await asyncio.to_thread(
            self._authenticator.prepare, config.auth, resolve=resolve, listeners=config.listeners
        )
        upstreams = self._upstreams.make(config.upstreams)

        def switch() -> None:
            # Connections of a listener that is gone live on, and are asked for its role.
            roles = {**_roles(self.config), **_roles(config)}
            self._upstreams.replace(config.upstreams, upstreams)
            login()
            self._shaper.replace(config)
            self._writer.replace(namespaces=config.namespaces, limits=config.limits)
            self._fills.policy = FillPolicy(largest=config.limits.blob_bytes)
            self._resolve, self._policy, self.config = resolve, policy, config
            self._manifests.reconfigured()
            self.flow.replace(
                roles=roles, resolve=resolve, authenticator=self._authenticator, policy=policy
            )

        try:
            await self.server.reload(
                wired.listeners,
                limits=config.limits,
                trusted_proxies=config.trusted_proxies,
                switch=switch,
            )
        except BaseException:
            if self.config is not config:
                for upstream in upstreams.values():
                    await upstream.close()
            raise
        self.waits_for_restart = waiting
        for key in waiting:
            log.warning("a new `%s` is used after a restart", key)

    async def close(self, drain: float) -> None:
        """Stop accepting, let transfers end within `drain` seconds, close everything in order."""
        self.draining = True
        self._drain = drain
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
        return "shutting down" if self.draining else None

    def _facts(self) -> Mapping[str, float]:
        counts = msgspec.to_builtins(self._fills.counts)
        facts = {f"fills_{name}": float(value) for name, value in counts.items()}
        facts["connections"] = float(self.server.open_connections)
        return facts

    async def _collect(self, query: Mapping[str, str]) -> Any:
        return await collect(self._sweep, dry_run=bool(query.get("dry_run")))

    async def _purge(self, query: Mapping[str, str]) -> Any:
        try:
            image = parse_image(query.get("image", ""))
        except ValueError as error:
            raise RegistryError(ErrorCode.NAME_INVALID, str(error)) from None
        try:
            home = repository_of(image, self.config, self._resolve)
        except UsageError as error:
            raise RegistryError(ErrorCode.NAME_UNKNOWN, str(error)) from None
        return await purge_image(self._metadata, home, image.reference)

    def _verify(self, query: Mapping[str, str]) -> Work:
        repair = query.get("repair") == "1"
        return lambda progress: verify(
            self._blobs, self._metadata, repair=repair, progress=progress
        )

    def _about(self) -> Mapping[str, Any]:
        """For `status`."""
        return {
            "listeners": {name: list(found) for name, found in self.server.addresses.items()},
            "last_reload": self.last_reload,
            "waits_for_restart": list(self.waits_for_restart),
            "last_sweep": msgspec.to_builtins(self._sweep.last),
            "read_only": self.config.read_only,
        }


async def _cancel(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _roles(config: MirrorConfig) -> dict[str, Role]:
    return {entry.name: entry.role for entry in with_control(config).listeners}
