"""Copies of segments, closed and open ones, for a backup and the way back."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from homeport.mirror.audit.chain import Head
from homeport.mirror.audit.segment import SegmentReader, segments

_NEW = ".new"


def copy_segments(source: Path, target: Path) -> tuple[str, ...]:
    """Make `target` hold each segment of `source` as it is at one moment, the open one too; the
    names of those that cannot be read. What `target` has already is not copied again. Of its own
    only those go that are older than all in `source`: their time to be kept is over there. One that
    vanished between others is what a backup is for. Raises OSError."""
    damaged: list[str] = []
    kept = segments(source)
    for path in kept:
        copy = target / path.name
        try:
            if not copy.is_file() or _head(copy) != _head(path):
                _copy(path, copy)
        except sqlite3.Error:
            damaged.append(path.stem)
    for path in segments(target) if kept else ():
        if path.name[:10] < kept[0].name[:10]:
            path.unlink()
    return tuple(damaged)


def _head(path: Path) -> Head | None:
    try:
        with closing(SegmentReader(path)) as reader:
            return reader.head()
    except sqlite3.Error:
        return None


def _copy(source: Path, target: Path) -> None:
    new = target.with_name(f"{target.name}{_NEW}")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    try:
        with (
            closing(SegmentReader(source)) as reader,
            closing(sqlite3.connect(new, isolation_level=None)) as writing,
        ):
            reader.copy_to(writing)
            # One file, that can be read where nobody may write.
            writing.execute("PRAGMA journal_mode=DELETE").fetchone()
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
