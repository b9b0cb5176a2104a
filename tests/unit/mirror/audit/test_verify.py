"""The audit shows every way to change it behind its back."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from homeport.mirror.audit.ledger import Ledger
from homeport.mirror.audit.query import Filter, query
from homeport.mirror.audit.segment import SegmentReader, segments
from homeport.mirror.audit.signing import create_key, load_verifier
from homeport.mirror.audit.sinks import FileSink
from homeport.mirror.audit.verify import Verdict, read_heads, verify
from homeport.mirror.model.record import Record

DAY = 86_400.0
NOON = 20_000 * DAY + DAY / 2


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class Audit:
    """A folder of segments, its key and a sink, written on three days."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "audit"
        self.sink = tmp_path / "sink.jsonl"
        self.clock = Clock()
        self.signer = create_key(tmp_path / "key.pem")
        self.public = tmp_path / "key.pem.pub"
        ledger = self.open()
        for day in range(3):
            for number in range(4):
                ledger.append([record(f"{day}-{number}", self.clock.now)])
                self.clock.now += 2
            self.clock.now += DAY
        ledger.close()

    def open(self) -> Ledger:
        return Ledger(
            self.folder,
            writer="host",
            sign=self.signer.sign,
            sinks=[FileSink(str(self.sink))],
            keep_days=None,
            clock=self.clock,
        )

    def change(self, day: int, statement: str) -> None:
        connection = sqlite3.connect(segments(self.folder)[day])
        with connection:
            connection.executescript(statement)
        connection.close()

    def verify(self) -> Verdict:
        return verify(
            self.folder,
            verifier=load_verifier(self.public),
            heads=read_heads(self.sink),
        )


def record(reference: str, time: float = NOON) -> Record:
    return Record(
        time=time,
        request="r",
        listener="main",
        action="pull",
        method="GET",
        status=200,
        address="10.0.0.1",
        upstream="docker.io",
        repository="library/alpine",
        reference=reference,
    )


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    return Audit(tmp_path)


def test_what_was_written_is_accepted(audit: Audit) -> None:
    verdict = audit.verify()
    assert verdict.faults == ()
    assert (verdict.segments, verdict.records, verdict.signed) == (3, 12, 3)
    assert len(verdict.begins) == 1


def test_a_writer_that_goes_on_between_two_looks_is_no_fault(audit: Audit) -> None:
    ledger = audit.open()
    ledger.append([record("first", audit.clock.now)])
    reader = SegmentReader(segments(audit.folder)[-1])
    rows = list(reader.rows())
    ledger.append([record("second", audit.clock.now)])
    head = reader.head()
    assert head is not None
    assert (head.number, head.hash) == (rows[-1].number, rows[-1].hash)
    reader.close()
    ledger.close()
    assert audit.verify().faults == ()


def swap(audit: Audit) -> None:
    first, second, _ = segments(audit.folder)
    aside = audit.folder / "aside"
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def another_segment(audit: Audit) -> None:
    """One with the right name and place, but other records, made without the key."""
    other = audit.folder.parent / "other"
    clock = Clock()
    ledger = Ledger(other, writer="host", sign=None, sinks=[], keep_days=None, clock=clock)
    ledger.append([record("forged")])
    ledger.close()
    shutil.copy(segments(other)[0], segments(audit.folder)[0])


REORDER = """
UPDATE records SET number = 100 WHERE number = 2; UPDATE records SET number = 2 WHERE number = 3;
UPDATE records SET number = 3 WHERE number = 100;
"""


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(
            lambda audit: audit.change(
                0, "UPDATE records SET line = replace(line, '10.0.0.1', '10.9.9.9') WHERE number=2"
            ),
            id="edit",
        ),
        pytest.param(
            lambda audit: audit.change(0, "DELETE FROM records WHERE number = 2"), id="deletion"
        ),
        pytest.param(
            lambda audit: audit.change(
                0,
                "DELETE FROM records WHERE number = 2;"
                "UPDATE records SET number = number - 1 WHERE number > 2",
            ),
            id="deletion-renumbered",
        ),
        pytest.param(lambda audit: audit.change(0, REORDER), id="reorder"),
        pytest.param(
            lambda audit: audit.change(2, "DELETE FROM records WHERE number = 4"), id="cut-tail"
        ),
        pytest.param(
            lambda audit: audit.change(
                2,
                "DELETE FROM records WHERE number = 4;"
                "UPDATE head SET number = 3, hash = (SELECT hash FROM records WHERE number = 3)",
            ),
            id="cut-tail-with-head",
        ),
        pytest.param(
            lambda audit: audit.change(2, "DELETE FROM records; DELETE FROM head"),
            id="emptied",
        ),
        pytest.param(swap, id="swapped-segments"),
        pytest.param(another_segment, id="forged-segment"),
        pytest.param(lambda audit: segments(audit.folder)[1].unlink(), id="lost-in-the-middle"),
        pytest.param(lambda audit: segments(audit.folder)[2].unlink(), id="lost-at-the-end"),
        pytest.param(lambda audit: segments(audit.folder)[0].write_bytes(b"junk"), id="junk"),
    ],
)
def test_tampering_shows(audit: Audit, tamper: Callable[[Audit], object]) -> None:
    tamper(audit)
    assert audit.verify().faults != ()


def test_a_cut_tail_with_an_older_head_shows_by_the_sink(audit: Audit) -> None:
    """Who can write the segment may put back an older signed head; the sink has a newer one."""
    segment = segments(audit.folder)[2]
    kept = {head.number: head for head in read_heads(audit.sink) if head.segment == segment.stem}
    older = kept[2]
    audit.change(
        2,
        f"""DELETE FROM records WHERE number > 2;
        UPDATE head SET number = 2, hash = x'{older.hash.hex()}', time = {older.time!r},
          signature = x'{older.signature.hex()}'""",  # noqa: S608
    )
    verifier = load_verifier(audit.public)
    assert verify(audit.folder, verifier=verifier).faults == ()
    assert [fault.number for fault in audit.verify().faults]


def test_another_key_is_not_accepted(audit: Audit, tmp_path: Path) -> None:
    create_key(tmp_path / "other.pem")
    verdict = verify(audit.folder, verifier=load_verifier(tmp_path / "other.pem"))
    assert len(verdict.faults) == 3


def test_after_a_crash_the_chain_goes_on_and_names_the_gap(audit: Audit) -> None:
    ledger = audit.open()
    ledger.append([record("before")])
    # The process is killed here: nothing is closed.
    audit.clock.now += 60
    again = audit.open()
    again.append([record("after")])
    again.close()
    assert audit.verify().faults == ()
    newest = list(query(audit.folder, Filter(), limit=3))
    assert [entry.action for entry in newest] == ["pull", "gap", "pull"]
    assert "may be missing" in newest[1].reason


def test_after_a_meant_end_there_is_no_gap(audit: Audit) -> None:
    audit.open().close()
    audit.open().close()
    assert not list(query(audit.folder, Filter(action="gap")))
    assert audit.verify().faults == ()


def test_a_clock_that_goes_back_breaks_nothing(audit: Audit) -> None:
    audit.clock.now -= 2 * DAY
    ledger = audit.open()
    ledger.append([record("late")])
    ledger.close()
    assert audit.verify().faults == ()


def test_old_segments_go_and_the_rest_still_verifies(audit: Audit) -> None:
    ledger = Ledger(
        audit.folder,
        writer="host",
        sign=audit.signer.sign,
        sinks=[],
        keep_days=2,
        clock=audit.clock,
    )
    audit.clock.now += DAY
    ledger.append([record("new")])
    ledger.close()
    assert len(segments(audit.folder)) == 3
    verdict = verify(audit.folder, verifier=load_verifier(audit.public))
    assert verdict.faults == ()
    assert verdict.begins == (segments(audit.folder)[0].stem,)
