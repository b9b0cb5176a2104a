"""Connections to the database file, and its errors in our words."""

import os
import sqlite3
from pathlib import Path

from homeport.mirror.errors import NoSpaceError
from homeport.mirror.store.api import StoreError

_BUSY = 10_000
"""Milliseconds to wait for another process (a backup); our own threads do not meet."""

_WAL_LIMIT = 64 * 1024**2
_CACHE = 8192
"""KiB of pages that the writer keeps; digests fall anywhere in an index."""

_CHECKPOINT = 4000
"""Pages of the log (16 MB) after which it is copied into the file; that costs two fsyncs."""

_DAMAGED = ("malformed", "not a database", "file is encrypted")


def connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """Autocommit: transactions are begun by hand. May be used by any one thread at a time."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout={_BUSY}")
        connection.execute("PRAGMA journal_mode=WAL").fetchone()
        connection.execute(f"PRAGMA journal_size_limit={_WAL_LIMIT}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT}")
        connection.execute(f"PRAGMA cache_size=-{2048 if readonly else _CACHE}")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA trusted_schema=OFF")
        if readonly:
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def create(path: Path) -> None:
    """An empty file that only we may read; SQLite gives its log the same mode. Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(path, flags, 0o600))


def in_words(error: sqlite3.Error, path: Path) -> Exception:
    """The store's error for one of SQLite's."""
    text = str(error)
    if error.__class__ is sqlite3.OperationalError and "full" in text:
        return NoSpaceError(f"writing {path}: {text}")
    if any(word in text for word in _DAMAGED):
        return StoreError(
            f"the database {path} is damaged ({text}): stop homeport, then restore a backup with "
            "`homeport mirror restore`, or move the file away to begin with an empty mirror"
        )
    return StoreError(f"the database {path}: {text}")
