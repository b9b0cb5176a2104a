"""Who pulled what: records of all segments, newest first."""

import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from homeport.lib.glob import any_glob
from homeport.mirror.audit.segment import SegmentReader, segments
from homeport.mirror.model.record import Record

_matcher = lru_cache(maxsize=64)(lambda pattern: any_glob((pattern,)))
_DECODER = msgspec.json.Decoder(Record)


class Filter(Struct, frozen=True, kw_only=True):
    """Every condition that is set must hold; texts are globs, times seconds since 1970."""

    since: float | None = None
    until: float | None = None
    principal: str | None = None
    address: str | None = None
    upstream: str | None = None
    repository: str | None = None
    reference: str | None = None
    digest: str | None = None
    action: str | None = None
    cache: str | None = None
    status: int | None = None
    denied: bool = False

    def holds(self, record: Record) -> bool:
        if self.since is not None and record.time < self.since:
            return False
        if self.until is not None and record.time >= self.until:
            return False
        if self.denied and record.allowed:
            return False
        if self.status is not None and record.status != self.status:
            return False
        return all(
            wanted is None or _matcher(wanted)(getattr(record, name))
            for name, wanted in self._texts()
        )

    def _texts(self) -> Iterator[tuple[str, str | None]]:
        for name in _TEXTS:
            yield name, getattr(self, name)


_TEXTS = (
    "principal",
    "address",
    "upstream",
    "repository",
    "reference",
    "digest",
    "action",
    "cache",
)


def query(
    folder: Path, wanted: Filter, *, limit: int | None = None, newest_first: bool = True
) -> Iterator[Record]:
    """Matching records of every writer; days in order, within a day writer by writer. What is
    damaged is left out: `verify` tells."""
    left = limit
    for path in sorted(segments(folder), reverse=newest_first):
        if _outside(path, wanted):
            continue
        for record in _records(path, newest_first=newest_first):
            if left is not None and left <= 0:
                return
            if wanted.holds(record):
                left = None if left is None else left - 1
                yield record


def _records(path: Path, *, newest_first: bool) -> Iterator[Record]:
    try:
        reader = SegmentReader(path)
    except sqlite3.Error:
        return
    try:
        for row in reader.rows(newest_first=newest_first):
            try:
                yield _DECODER.decode(row.line)
            except msgspec.DecodeError:
                continue
    except sqlite3.Error:
        return
    finally:
        reader.close()


def _outside(path: Path, wanted: Filter) -> bool:
    """Whether the day in a segment's name rules it out (with a day to spare on each side)."""
    from datetime import UTC, datetime

    try:
        day = datetime.strptime(path.name[:10], "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return False
    late = wanted.until is not None and day - 86_400 > wanted.until
    return late or (wanted.since is not None and day + 2 * 86_400 < wanted.since)
