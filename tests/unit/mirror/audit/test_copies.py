"""A copy of the audit is the audit as it was at one moment."""

import stat
from pathlib import Path

import pytest

from homeport.mirror.audit.copies import copy_segments
from homeport.mirror.audit.ledger import Ledger
from homeport.mirror.audit.query import Filter, query
from homeport.mirror.audit.segment import segments
from homeport.mirror.audit.verify import verify
from homeport.mirror.model.record import Record

DAY = 86_400.0


class Clock:
    now = 20_000.5 * DAY

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    folder.mkdir()
    return folder


def record(reference: str) -> Record:
    return Record(
        time=Clock.now,
        request="r",
        listener="main",
        action="pull",
        method="GET",
        status=200,
        address="10.0.0.1",
        reference=reference,
    )


def open_ledger(folder: Path, clock: Clock, *, keep_days: int | None = None) -> Ledger:
    return Ledger(folder, writer="host", sign=None, sinks=[], keep_days=keep_days, clock=clock)


def references(folder: Path) -> list[str]:
    return [each.reference for each in query(folder, Filter(action="pull"), newest_first=False)]


def test_a_copy_beside_the_writer_verifies_and_grows(tmp_path: Path, target: Path) -> None:
    source, clock = tmp_path / "audit", Clock()
    ledger = open_ledger(source, clock)
    ledger.append([record("a")])
    clock.now += DAY
    ledger.append([record("b")])
    assert copy_segments(source, target) == ()
    first = segments(target)[0].stat().st_ino
    ledger.append([record("c")])
    assert copy_segments(source, target) == ()
    ledger.close()
    assert references(target) == ["a", "b", "c"]
    assert verify(target, verifier=None).faults == ()
    assert {path.name for path in target.iterdir()} == {path.name for path in segments(source)}
    assert segments(target)[0].stat().st_ino == first, "what had not changed was copied again"
    assert {stat.S_IMODE(path.stat().st_mode) for path in target.iterdir()} == {0o600}


def test_a_mirror_goes_on_from_a_copy_and_names_the_gap(tmp_path: Path, target: Path) -> None:
    source, clock = tmp_path / "audit", Clock()
    ledger = open_ledger(source, clock)
    ledger.append([record("a")])
    copy_segments(source, target)
    ledger.append([record("lost")])
    ledger.close()
    restored = open_ledger(target, clock)
    restored.append([record("new")])
    restored.close()
    assert references(target) == ["a", "new"]
    assert [each.action for each in query(target, Filter())] == ["pull", "gap", "pull"]
    assert verify(target, verifier=None).faults == ()


def test_what_is_no_longer_kept_leaves_the_copy_too(tmp_path: Path, target: Path) -> None:
    source, clock = tmp_path / "audit", Clock()
    ledger = open_ledger(source, clock, keep_days=2)
    for name in "abcd":
        ledger.append([record(name)])
        clock.now += DAY
        copy_segments(source, target)
    assert references(target) == references(source) == ["b", "c", "d"]
    segments(source)[1].unlink()
    copy_segments(source, target)
    assert references(target) == ["b", "c", "d"], "what vanished at the source is in its backup"
    ledger.close()


def test_a_segment_that_cannot_be_read_is_named_and_the_others_are_copied(
    tmp_path: Path, target: Path
) -> None:
    source, clock = tmp_path / "audit", Clock()
    ledger = open_ledger(source, clock)
    ledger.append([record("a")])
    clock.now += DAY
    ledger.append([record("b")])
    ledger.close()
    broken = segments(source)[0]
    copy_segments(source, target)
    broken.write_bytes(b"no database at all" * 100)
    assert copy_segments(source, target) == (broken.stem,)
    assert references(target) == ["a", "b"], "the earlier copy went"
