"""Whether the audit is as it was written."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from homeport.mirror.audit.chain import Head, Start, begin, link
from homeport.mirror.audit.segment import SegmentReader, segments
from homeport.mirror.audit.signing import Verifier


class Fault(Struct, frozen=True, kw_only=True):
    """`number` is the record at which it shows, None for the whole segment."""

    segment: str
    message: str
    number: int | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """`begins` names the first segments: what was before them is not here to be checked."""

    segments: int
    records: int
    signed: int
    begins: tuple[str, ...]
    faults: tuple[Fault, ...]


def verify(folder: Path, *, verifier: Verifier | None, heads: Iterable[Head] = ()) -> Verdict:
    """Every segment of a folder. `heads` were kept elsewhere (a sink): they show a tail that was
    cut together with the head in the segment. Raises OSError."""
    faults: list[Fault] = []
    ends: dict[str, bytes] = {}
    hashes: dict[tuple[str, int], bytes] = {}
    known = list(heads)
    wanted = {(head.segment, head.number) for head in known}
    starts: list[Start] = []
    records = signed = 0
    for path in segments(folder):
        try:
            reader = SegmentReader(path)
        except sqlite3.Error as error:
            faults.append(Fault(segment=path.stem, message=f"it cannot be read: {error}"))
            continue
        try:
            starts.append(reader.start)
            if reader.start.name != path.stem:
                faults.append(Fault(segment=path.stem, message=f"it is {reader.start.name}"))
            count, end, found = _records(reader, wanted, hashes)
            faults += found
            ends[reader.start.name] = end
            head = reader.head()
            faults += _head(reader.start.name, head, count, end, verifier)
            records += count
            signed += bool(head and head.signature)
        except sqlite3.Error as error:
            faults.append(Fault(segment=path.stem, message=f"it is damaged: {error}"))
        finally:
            reader.close()
    begins, broken = _joints(starts, ends)
    faults += broken
    faults += _kept_heads(known, hashes, ends, verifier)
    return Verdict(
        segments=len(starts),
        records=records,
        signed=signed,
        begins=begins,
        faults=tuple(faults),
    )


def read_heads(path: Path) -> Iterator[Head]:
    """The heads among the lines of a sink (JSON lines, or syslog's with a prefix)."""
    for line in path.read_bytes().splitlines():
        at = line.find(b'{"audit_head"')
        if at < 0:
            continue
        try:
            raw = msgspec.json.decode(line[at:])["audit_head"]
            yield Head(
                segment=raw["segment"],
                number=raw["number"],
                hash=bytes.fromhex(raw["hash"]),
                time=raw["time"],
                signature=bytes.fromhex(raw["signature"]),
            )
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            continue


def _records(
    reader: SegmentReader, wanted: set[tuple[str, int]], hashes: dict[tuple[str, int], bytes]
) -> tuple[int, bytes, list[Fault]]:
    """How many records there are, the hash at their end, and the first fault of the chain."""
    name = reader.start.name
    current = begin(reader.start)
    hashes[name, 0] = current
    count = 0
    faults: list[Fault] = []
    for row in reader.rows():
        count += 1
        current = link(current, row.number, row.line)
        if not faults and row.number != count:
            message = f"record {count} is missing"
            faults.append(Fault(segment=name, message=message, number=count))
        elif not faults and row.hash != current:
            message = "it is not the record that was written, or one before it is gone"
            faults.append(Fault(segment=name, message=message, number=row.number))
        if (name, row.number) in wanted:
            hashes[name, row.number] = current
    return count, current, faults


def _head(
    name: str, head: Head | None, count: int, end: bytes, verifier: Verifier | None
) -> Iterator[Fault]:
    if head is None:
        if count:
            yield Fault(segment=name, message="its head is missing")
        return
    if head.number > count:
        yield Fault(
            segment=name, message=f"the last {head.number - count} records are gone", number=count
        )
    elif head.number < count or head.hash != end:
        yield Fault(segment=name, message="its records do not end in its head", number=count)
    if verifier is not None and not verifier.accepts(head):
        yield Fault(segment=name, message="its head is not signed by this key")


def _joints(starts: list[Start], ends: dict[str, bytes]) -> tuple[tuple[str, ...], list[Fault]]:
    """Each segment goes on from the end of the one before it, and no two from the same."""
    begins: list[str] = []
    faults: list[Fault] = []
    followed: dict[str, str] = {}
    by_writer: dict[str, int] = {}
    for start in starts:
        position = by_writer.get(start.writer, 0)
        by_writer[start.writer] = position + 1
        if start.previous in ends:
            if ends[start.previous] != start.head:
                message = f"it does not go on from the end of {start.previous}"
                faults.append(Fault(segment=start.name, message=message))
            if start.previous in followed:
                message = f"{followed[start.previous]} goes on from {start.previous} as well"
                faults.append(Fault(segment=start.name, message=message))
            followed[start.previous] = start.name
        elif position == 0:
            begins.append(start.name)
        else:
            message = f"the segment before it, {start.previous or 'none'}, is not here"
            faults.append(Fault(segment=start.name, message=message))
    return tuple(begins), faults


def _kept_heads(
    heads: list[Head],
    hashes: dict[tuple[str, int], bytes],
    ends: dict[str, bytes],
    verifier: Verifier | None,
) -> Iterator[Fault]:
    for head in heads:
        if verifier is not None and not verifier.accepts(head):
            yield Fault(segment=head.segment, message="a kept head is not signed by this key")
        elif head.segment not in ends:
            yield Fault(segment=head.segment, message="a head of it was kept, but it is gone")
        elif (found := hashes.get((head.segment, head.number))) is None:
            message = f"a kept head shows {head.number} records; the tail was cut"
            yield Fault(segment=head.segment, message=message, number=head.number)
        elif found != head.hash:
            message = "a kept head shows other records"
            yield Fault(segment=head.segment, message=message, number=head.number)
