"""One segment: a SQLite database with the records of one writer and day."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from homeport.mirror.audit.chain import Head, Start, begin, link

SUFFIX = ".audit"

Sign = Callable[[Head], Head]
"""Puts a signature on a head, or leaves it as it is."""

_SCHEMA = """
CREATE TABLE start (
  writer TEXT NOT NULL, day TEXT NOT NULL, previous TEXT NOT NULL, head BLOB NOT NULL
);
CREATE TABLE records (number INTEGER PRIMARY KEY, line BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE head (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  number INTEGER NOT NULL, hash BLOB NOT NULL, time REAL NOT NULL, signature BLOB NOT NULL,
  closed INTEGER NOT NULL
);
"""


class Row(msgspec.Struct, frozen=True):
    number: int
    line: bytes
    hash: bytes


class Segment:
    """Used by one thread. Every commit is on the disk when it returns (synchronous=FULL)."""

    def __init__(self, connection: sqlite3.Connection, start: Start) -> None:
        self._connection = connection
        self.start = start
        self.number = 0
        self.hash = begin(start)
        self.was_closed = True
        self.last_time = 0.0

    @classmethod
    def create(cls, folder: Path, start: Start) -> "Segment":
        path = folder / f"{start.name}{SUFFIX}"
        path.touch(mode=0o600)
        connection = _connect(path)
        connection.executescript(f"BEGIN; {_SCHEMA}")
        connection.execute(
            "INSERT INTO start VALUES (?, ?, ?, ?)",
            (start.writer, start.day, start.previous, start.head),
        )
        connection.execute("COMMIT")
        return cls(connection, start)

    @classmethod
    def open(cls, path: Path) -> "Segment":
        """To go on writing. Raises sqlite3.Error for what is no segment."""
        connection = _connect(path)
        segment = cls(connection, _start(connection))
        last = connection.execute(
            "SELECT number, hash FROM records ORDER BY number DESC LIMIT 1"
        ).fetchone()
        if last is not None:
            segment.number, segment.hash = last
        row = connection.execute("SELECT time, closed FROM head").fetchone()
        segment.last_time, closed = row or (0.0, False)
        segment.was_closed = bool(closed)
        return segment

    def append(self, lines: Sequence[bytes], *, time: float, sign: Sign) -> Head:
        """Add records and move the head, in one transaction; the new head."""
        rows = []
        number, hash_ = self.number, self.hash
        for line in lines:
            number += 1
            hash_ = link(hash_, number, line)
            rows.append((number, line, hash_))
        head = sign(Head(segment=self.start.name, number=number, hash=hash_, time=time))
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)
            self._put_head(head, closed=False)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        self.number, self.hash = number, hash_
        return head

    def close(self, *, time: float, sign: Sign) -> Head:
        """Mark the end as meant, so that the next writer knows that nothing is missing."""
        head = sign(Head(segment=self.start.name, number=self.number, hash=self.hash, time=time))
        self._put_head(head, closed=True)
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        return head

    def _put_head(self, head: Head, *, closed: bool) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO head VALUES (1, ?, ?, ?, ?, ?)",
            (head.number, head.hash, head.time, head.signature, closed),
        )


class SegmentReader:
    """One segment as it is at one moment, beside a writer that goes on writing."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error for what is no segment."""
        self.path = path
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        try:
            # One transaction for all that is read: records and head must be of the same moment.
            self._connection.execute("BEGIN")
            self.start = _start(self._connection)
        except sqlite3.Error:
            self._connection.close()
            raise

    def head(self) -> Head | None:
        row = self._connection.execute(
            "SELECT CAST(number AS INTEGER), CAST(hash AS BLOB), CAST(time AS REAL),"
            " CAST(signature AS BLOB) FROM head"
        ).fetchone()
        if row is None:
            return None
        number, hash_, time, signature = row
        return Head(
            segment=self.start.name, number=number, hash=hash_, time=time, signature=signature
        )

    def rows(self, *, newest_first: bool = False) -> Iterator[Row]:
        order = "DESC" if newest_first else "ASC"
        # Who changed it by hand may have put in values of other types.
        query = (
            "SELECT number, CAST(line AS BLOB), CAST(hash AS BLOB) FROM records"  # noqa: S608
            f" ORDER BY number {order}"
        )
        for row in self._connection.execute(query):
            yield Row(*row)

    def copy_to(self, target: sqlite3.Connection) -> None:
        self._connection.backup(target)

    def close(self) -> None:
        self._connection.close()


def segments(folder: Path) -> list[Path]:
    """The segment files of a folder in order of their days."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _start(connection: sqlite3.Connection) -> Start:
    row = connection.execute("SELECT writer, day, previous, head FROM start").fetchone()
    if row is None:
        raise sqlite3.DatabaseError("no audit segment")
    writer, day, previous, head = row
    return Start(writer=writer, day=day, previous=previous, head=head)
