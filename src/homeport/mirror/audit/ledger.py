"""The writing end of the audit as one thread sees it: today's segment, signatures, sinks."""

import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from homeport.mirror.audit.chain import EMPTY, Head, Start
from homeport.mirror.audit.segment import SUFFIX, Segment, SegmentReader, Sign, segments
from homeport.mirror.audit.sinks import Sink
from homeport.mirror.model.record import Record

_ENCODER = msgspec.json.Encoder()
_HEADS_EVERY = 1.0
_NAME = re.compile(r"[^a-z0-9.-]+")


class Ledger:
    """`writer` names this process among replicas. Raises sqlite3.Error and OSError."""

    def __init__(
        self,
        folder: Path,
        *,
        writer: str,
        sign: Sign | None,
        sinks: Sequence[Sink],
        keep_days: int | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._writer = _NAME.sub("-", writer.lower())[:64] or "mirror"
        self._sign: Sign = sign or (lambda head: head)
        self._sinks = sinks
        self._keep_days = keep_days
        self._clock = clock
        self._head_sent = 0.0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._segment = self._continue()

    def append(self, records: Sequence[Record]) -> None:
        """Write records of one flush; on the disk when it returns."""
        now = self._clock()
        if _day(now) > self._segment.start.day:  # a clock that went back begins no other day
            self._turn(now)
        lines = [_ENCODER.encode(record) for record in records]
        head = self._segment.append(lines, time=now, sign=self._sign)
        for sink in self._sinks:
            sink.send(lines)
        if now - self._head_sent >= _HEADS_EVERY:
            self._send_head(head)

    def close(self) -> None:
        self._send_head(self._segment.close(time=self._clock(), sign=self._sign))
        for sink in self._sinks:
            sink.close()

    def _continue(self) -> Segment:
        """Go on with the last segment of this writer, or begin the next after it. Where its end was
        not meant, the first new record says so."""
        own = [path for path in segments(self._folder) if path.stem.endswith(f"-{self._writer}")]
        own = [path for path in own if _writer_of(path) == self._writer]
        now = self._clock()
        if not own:
            return self._create(now, previous="", head=EMPTY)
        last = Segment.open(own[-1])
        if not last.was_closed:
            gap = Record(
                time=now,
                request="",
                listener="",
                action="gap",
                method="",
                status=0,
                address="",
                reason="the writer ended without closing: records since "
                f"{_moment(last.last_time)} may be missing",
                complete=False,
            )
            last.append([_ENCODER.encode(gap)], time=now, sign=self._sign)
        if last.start.day >= _day(now):
            return last
        return self._after(last, now)

    def _turn(self, now: float) -> None:
        self._segment = self._after(self._segment, now)
        if self._keep_days is not None:
            oldest = _day(now - self._keep_days * 86_400)
            for path in segments(self._folder):
                if path.name[:10] < oldest and _writer_of(path) == self._writer:
                    for part in ("", "-wal", "-shm"):
                        path.with_name(path.name + part).unlink(missing_ok=True)

    def _after(self, last: Segment, now: float) -> Segment:
        head = last.close(time=now, sign=self._sign)
        self._send_head(head)
        return self._create(now, previous=last.start.name, head=head.hash)

    def _create(self, now: float, *, previous: str, head: bytes) -> Segment:
        # A clock that went back must not begin a segment that is there.
        day = max(_day(now), previous[:10])
        start = Start(writer=self._writer, day=day, previous=previous, head=head)
        if (self._folder / f"{start.name}{SUFFIX}").exists():
            return Segment.open(self._folder / f"{start.name}{SUFFIX}")
        return Segment.create(self._folder, start)

    def _send_head(self, head: Head) -> None:
        self._head_sent = self._clock()
        line = _ENCODER.encode(
            {
                "audit_head": {
                    "segment": head.segment,
                    "number": head.number,
                    "hash": head.hash.hex(),
                    "time": head.time,
                    "signature": head.signature.hex(),
                }
            }
        )
        for sink in self._sinks:
            sink.send([line])


def _writer_of(path: Path) -> str | None:
    try:
        reader = SegmentReader(path)
    except sqlite3.Error:
        return None
    reader.close()
    return reader.start.writer


def _day(now: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(now))


def _moment(now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
