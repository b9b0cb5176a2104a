"""What `homeport mirror gc|verify|purge` do: in the server when one runs, else on its folder."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from homeport.errors import MissingError, UsageError
from homeport.mirror.audit.writer import open_audit
from homeport.mirror.control.image_name import ImageName, without_own_host
from homeport.mirror.control.jobs import Progress
from homeport.mirror.model.config import ListenerConfig, MirrorConfig, Role
from homeport.mirror.model.names import Refusal, Repository
from homeport.mirror.model.record import Record
from homeport.mirror.names.resolver import Resolver, make_resolver
from homeport.mirror.store.api import Blobs, Metadata, StoreError
from homeport.mirror.store.files import open_blobs
from homeport.mirror.store.folders import METADATA
from homeport.mirror.store.purge import purge
from homeport.mirror.store.sqlite.metadata import open_metadata
from homeport.mirror.store.sweep import Sweep
from homeport.mirror.store.verify import Fault
from homeport.mirror.store.verify import verify as verify_store

CONTROL = "control"
"""The listener on a Unix socket in the data folder, by which the commands reach the server: who may
open the socket owns the data."""

SOCKET = "control.sock"
_SHOWN_FAULTS = 1000


def with_control(config: MirrorConfig) -> MirrorConfig:
    control = ListenerConfig(
        name=CONTROL, address=f"unix:{Path(config.data, SOCKET)}", role=Role.REGISTRY
    )
    return msgspec.structs.replace(config, listeners=(*config.listeners, control))


def repository_of(image: ImageName, config: MirrorConfig, resolve: Resolver) -> Repository:
    """Where a name leads that an administrator wrote. Raises UsageError."""
    own = without_own_host(image, config)
    found = resolve(CONTROL, "", own.path, None)
    if isinstance(found, Refusal):
        raise UsageError.of(f"{own.path}: {found.message}", code="mirror-image")
    return found.repository


async def purge_image(metadata: Metadata, home: Repository, reference: str | None) -> Any:
    """Plain data: `repository`, `tags`, `manifests`."""
    report = await purge(metadata, home, reference, clock=time.time)
    return {"repository": str(home), **msgspec.to_builtins(report)}


async def verify(blobs: Blobs, metadata: Metadata, *, repair: bool, progress: Progress) -> Any:
    """Plain data: `blobs`, `manifests`, `size` in bytes, `faults` (at most a thousand are told),
    `fault_count`, `repaired`."""
    progress.total = 0
    async for _ in blobs.walk():
        progress.total += 1

    def seen(_digest: object) -> None:
        progress.done += 1

    report = await verify_store(blobs, metadata, clock=time.time, repair=repair, progress=seen)
    return {
        "blobs": report.blobs,
        "manifests": report.manifests,
        "size": report.size,
        "fault_count": len(report.faults),
        "repaired": sum(fault.repaired for fault in report.faults),
        "faults": [_fault(fault) for fault in report.faults[:_SHOWN_FAULTS]],
    }


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "what": fault.what,
        "digest": fault.digest,
        "problem": fault.problem,
        "repaired": fault.repaired,
        "repositories": [str(home) for home in fault.homes],
        "to_be_pushed_again": [home.name for home in fault.lost],
    }


async def collect(sweep: Sweep, *, dry_run: bool) -> Any:
    """Plain data: what went, or would go, as `SweepReport` has it."""
    return msgspec.to_builtins(await (sweep.survey() if dry_run else sweep.collect()))


def collect_offline(config: MirrorConfig, *, dry_run: bool) -> Any:
    """One collection on the folder of a mirror that does not run. Raises MissingError."""

    async def work(blobs: Blobs, metadata: Metadata) -> Any:
        sweep = Sweep(blobs, metadata, config.store, time.time, staged_age=config.limits.upload_age)
        return await collect(sweep, dry_run=dry_run)

    return _offline(config, "collect", work, on_record=not dry_run)


def verify_offline(config: MirrorConfig, *, repair: bool, progress: Progress) -> Any:
    async def work(blobs: Blobs, metadata: Metadata) -> Any:
        return await verify(blobs, metadata, repair=repair, progress=progress)

    return _offline(config, "verify", work)


def purge_offline(config: MirrorConfig, image: ImageName) -> Any:
    home = repository_of(image, config, make_resolver(with_control(config)))

    async def work(_blobs: Blobs, metadata: Metadata) -> Any:
        return await purge_image(metadata, home, image.reference)

    return _offline(config, f"purge {home}", work)


def _offline(
    config: MirrorConfig,
    what: str,
    work: Callable[[Blobs, Metadata], Awaitable[Any]],
    *,
    on_record: bool = True,
) -> Any:
    """Open the stores as the server would (which keeps a server from starting meanwhile), put the
    act on record, do it. `on_record` is False where it changes nothing."""
    data = Path(config.data)
    if not (data / METADATA).is_file():
        raise MissingError.of(
            f"there is no mirror in {data}",
            code="mirror-data",
            hint="name its folder by --data, or its configuration by --config",
        )
    _become_owner(data)
    try:
        return asyncio.run(_with_stores(config, data, what if on_record else None, work))
    except (StoreError, OSError) as error:
        raise MissingError.of(
            f"the store in {data} cannot be used: {error}", code="mirror-data"
        ) from None


def _become_owner(data: Path) -> None:
    """What root would write here, the mirror could not read."""
    if os.geteuid() == 0:
        owner = data.stat()
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)


async def _with_stores(
    config: MirrorConfig,
    data: Path,
    what: str | None,
    work: Callable[[Blobs, Metadata], Awaitable[Any]],
) -> Any:
    store = config.store
    blobs = await open_blobs(data, quota=store.quota, reserve=store.reserve, clock=time.time)
    try:
        metadata = await open_metadata(data / METADATA, clock=time.time)
        try:
            if what is not None:
                await _put_on_record(config, data, what)
            return await work(blobs, metadata)
        finally:
            await metadata.close()
    finally:
        await blobs.close()


async def _put_on_record(config: MirrorConfig, data: Path, what: str) -> None:
    """Administration is audited also where no server is asked."""
    audit = await open_audit(config.audit, data / "audit", clock=time.time)
    if audit is None:
        return
    try:
        await audit.write_durably(
            Record(
                time=time.time(),
                request=f"{os.getpid():x}-{time.time_ns():x}",
                listener="command",
                action="admin",
                method="POST",
                status=200,
                address=socket.gethostname(),
                principal=f"uid:{os.geteuid()}",
                asked=what,
                rule="offline",
            )
        )
    finally:
        await audit.close()
