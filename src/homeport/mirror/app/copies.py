"""What `homeport mirror backup|restore` do: the store, what logins hang on, and the audit."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from homeport.errors import MissingError
from homeport.mirror.audit.copies import copy_segments
from homeport.mirror.auth.keyring import FILE as KEYS
from homeport.mirror.auth.private_file import private_folder, read_private, replace_private
from homeport.mirror.auth.robots import FOLDER as ROBOTS
from homeport.mirror.errors import NoSpaceError
from homeport.mirror.store.api import StoreError
from homeport.mirror.store.backup import back_up
from homeport.mirror.store.backup import restore as restore_store

AUDIT = "audit"

Seen = Callable[[int], None]


def backup(data: Path, into: Path, *, seen: Seen) -> Any:
    """Plain data: `blobs`, `copied`, `size`, `missing`, and `damaged_segments` of the audit. Beside
    a running mirror or without one. Raises MissingError."""

    async def work() -> Any:
        return msgspec.to_builtins(await back_up(data, into, clock=time.time, seen=seen))

    report = _words(lambda: asyncio.run(work()))
    # After the store: its copying makes the folder, and refuses what is none.
    _words(lambda: _copy_private(data, into))
    # Last, so that what is in the copy is on its record, too.
    return {**report, "damaged_segments": _words(lambda: _copy_audit(data, into))}


def restore(backup: Path, data: Path, *, seen: Seen) -> Any:
    """The same the other way; `data` must be new or empty."""
    _words(lambda: data.mkdir(mode=0o700, parents=True, exist_ok=True))
    report = _words(
        lambda: msgspec.to_builtins(asyncio.run(restore_store(backup, data, seen=seen)))
    )
    _words(lambda: _copy_private(backup, data))
    return {**report, "damaged_segments": _words(lambda: _copy_audit(backup, data))}


def _copy_audit(source: Path, target: Path) -> list[str]:
    if not (source / AUDIT).is_dir():
        return []
    return list(copy_segments(source / AUDIT, private_folder(target, AUDIT)))


def _copy_private(source: Path, target: Path) -> None:
    """Robots and the keys of tokens. Those of the copy that the source lacks are removed: a robot
    that was revoked must not come back."""
    if (source / KEYS).is_file():
        replace_private(target / KEYS, read_private(source / KEYS))
    kept: set[str] = set()
    if (source / ROBOTS).is_dir():
        folder = private_folder(target, ROBOTS)
        for path in sorted((source / ROBOTS).iterdir()):
            if path.is_file() and not path.name.startswith("."):
                replace_private(folder / path.name, read_private(path))
                kept.add(path.name)
    if (target / ROBOTS).is_dir():
        for path in (target / ROBOTS).iterdir():
            if path.name not in kept:
                path.unlink()


def _words(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except (StoreError, NoSpaceError) as error:
        raise MissingError.of(str(error), code="mirror-backup") from None
    except OSError as error:
        raise MissingError.of(
            f"{error.filename or 'the copy'}: {os.strerror(error.errno or 0)}", code="mirror-backup"
        ) from None
