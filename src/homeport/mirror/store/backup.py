"""Copies of a data folder that serves meanwhile, and the way back.

The database is copied first, by SQLite's backup API: one consistent moment. Then every blob that
this copy names is copied; a lease keeps the sweep from forgetting any until that is done. A later
backup into the same folder copies only what is new, and removes what the new copy does not name
after the new database is in place: a backup that was cut off leaves the earlier one whole.
"""

import asyncio
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from homeport.mirror.store.api import BACKUP, StoreError
from homeport.mirror.store.disk import Disk, failing
from homeport.mirror.store.folders import METADATA, Folders, lock_folder
from homeport.mirror.store.sqlite.connection import create, in_words
from homeport.mirror.store.sqlite.metadata import open_metadata
from homeport.mirror.store.sqlite.schema import migrate
from homeport.oci.digest import Digest, algorithm_of, hex_of, parse_digest, start_hash

LEASE = 600.0
"""Seconds; taken again while the copying goes on."""

CHUNK = 1024**2
_NEW = ".new"

Seen = Callable[[int], None]


class BackupReport(Struct, frozen=True, kw_only=True):
    """Blobs that the copy names, those of them that were copied this time and their bytes;
    `missing` are those that the source lacks, or has with wrong bytes: a mirror that is restored
    fetches them again, or wants them pushed."""

    blobs: int
    copied: int
    size: int
    missing: tuple[Digest, ...] = ()


async def back_up(
    data: Path, into: Path, *, clock: Callable[[], float], seen: Seen | None = None
) -> BackupReport:
    """Copy the mirror in `data` into a new or earlier backup folder. From any process, while the
    mirror serves; `seen` is told in a thread how many blobs are done. Raises StoreError and
    NoSpaceError."""
    if not await asyncio.to_thread((data / METADATA).is_file):
        raise StoreError(f"there is no mirror in {data}")
    if await asyncio.to_thread(_is_inside, into, data):
        raise StoreError(f"a backup cannot be inside the data folder {data}")
    metadata = await open_metadata(data / METADATA, clock=clock)
    owner = secrets.token_hex(8)

    async def take() -> None:
        now = clock()
        if not await metadata.take_lease(BACKUP, owner, now=now, until=now + LEASE):
            raise StoreError("another backup is under way")

    async def keep() -> None:
        while True:
            await asyncio.sleep(LEASE / 3)
            await take()

    await take()
    keeping = asyncio.create_task(keep())
    try:
        return await asyncio.to_thread(_back_up, data, into, seen)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await metadata.release_lease(BACKUP, owner)
        await metadata.close()


async def restore(backup: Path, data: Path, *, seen: Seen | None = None) -> BackupReport:
    """Copy a backup into a data folder that is new or empty, verifying every digest; the database
    comes last, so that a restore that was cut off can be begun again."""
    return await asyncio.to_thread(_restore, backup, data, seen)


def _back_up(data: Path, into: Path, seen: Seen | None) -> BackupReport:
    disk = Disk()
    with failing(f"backing up into {into}"):
        source, target = Folders(data), Folders(into)
        target.make(disk)
        lock = lock_folder(into)
        try:
            new = into / f"{METADATA}{_NEW}"
            _copy_database(data / METADATA, new)
            report = _copy_blobs(source, target, _named(new), disk, seen)
            disk.rename(new, into / METADATA)
            disk.sync_folder(into)
            _remove_others(target, {digest for digest, _ in _named(into / METADATA)}, disk)
        finally:
            os.close(lock)
    return report


def _restore(backup: Path, data: Path, seen: Seen | None) -> BackupReport:
    disk = Disk()
    if not (backup / METADATA).is_file():
        raise StoreError(f"there is no backup in {backup}")
    if (data / METADATA).exists():
        raise StoreError(f"{data} has a mirror already: restore into a new or empty folder")
    with failing(f"restoring into {data}"):
        source, target = Folders(backup), Folders(data)
        target.make(disk)
        lock = lock_folder(data)
        try:
            new = data / f"{METADATA}{_NEW}"
            _copy_database(backup / METADATA, new)
            report = _copy_blobs(source, target, _named(new), disk, seen)
            disk.rename(new, data / METADATA)
            disk.sync_folder(data)
        finally:
            os.close(lock)
    return report


def _copy_database(source: Path, target: Path) -> None:
    """A consistent copy, as one file. Holds and leases belong to the process that is gone."""
    for path in (target, Path(f"{target}-wal"), Path(f"{target}-shm")):
        path.unlink(missing_ok=True)
    create(target)
    try:
        # Read-only: a backup may lie where nobody may write.
        url = f"file:{quote(str(source))}?mode=ro"
        with (
            closing(sqlite3.connect(url, uri=True, timeout=10)) as reading,
            closing(sqlite3.connect(target, isolation_level=None)) as writing,
        ):
            reading.backup(writing, pages=-1)
            writing.execute("PRAGMA journal_mode=DELETE").fetchone()
            migrate(writing)
            writing.execute("DELETE FROM leases")
            writing.execute("DELETE FROM uploads")
            (said,) = writing.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise StoreError(f"the database {source} is damaged: {said}")
    except sqlite3.Error as error:
        raise in_words(error, source) from error


def _named(database: Path) -> Iterator[tuple[Digest, int]]:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        rows = connection.execute("SELECT digest, size FROM blobs ORDER BY digest").fetchall()
    for digest, size in rows:
        yield parse_digest(digest), size


def _copy_blobs(
    source: Folders,
    target: Folders,
    named: Iterator[tuple[Digest, int]],
    disk: Disk,
    seen: Seen | None,
) -> BackupReport:
    count = copied = size = 0
    missing: list[Digest] = []
    folders: set[Path] = set()
    for digest, expected in named:
        home = target.home(digest)
        count += 1
        if seen is not None:
            seen(count)
        if home.is_file() and home.stat().st_size == expected:
            continue
        disk.make_folder(home.parent)
        read = _copy(source.home(digest), target.staged / f"copy-{digest}", home, digest, disk)
        if read is None:
            missing.append(digest)
            continue
        size += read
        copied += 1
        folders.add(home.parent)
    for folder in folders:
        disk.sync_folder(folder)
    return BackupReport(blobs=count, copied=copied, size=size, missing=tuple(missing))


def _copy(source: Path, staged: Path, home: Path, digest: Digest, disk: Disk) -> int | None:
    """Bytes copied and synced; None where the source is not there, or not what it says."""
    try:
        reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        writing = disk.open(staged, fresh=True)
        try:
            running = start_hash(algorithm_of(digest))
            size = 0
            while part := os.pread(reading, CHUNK, size):
                running.update(part)
                disk.write(writing, part, size)
                size += len(part)
            disk.sync(writing)
        finally:
            os.close(writing)
    except BaseException:
        disk.remove(staged)
        raise
    finally:
        os.close(reading)
    if running.hexdigest() != hex_of(digest):
        disk.remove(staged)
        return None
    disk.rename(staged, home)
    return size


def _remove_others(target: Folders, named: set[Digest], disk: Disk) -> None:
    for info in list(target.all_blobs()):
        if info.digest not in named:
            disk.remove(target.home(info.digest))


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
