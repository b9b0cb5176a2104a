"""The queue in front of the segments: what is durable when, and what happens when it is full."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from homeport.errors import UsageError
from homeport.mirror.audit.ledger import Ledger
from homeport.mirror.audit.query import Filter, query
from homeport.mirror.audit.signing import create_key, load_signer
from homeport.mirror.audit.sinks import make_sink
from homeport.mirror.audit.writer import AuditWriter, open_audit
from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import AuditConfig, Overflow
from homeport.mirror.model.record import Record


def record(number: int) -> Record:
    return Record(
        time=1000.0,
        request=str(number),
        listener="main",
        action="pull",
        method="GET",
        status=200,
        address="10.0.0.1",
    )


def requests(folder: Path) -> list[str]:
    return [entry.request for entry in query(folder, Filter(), newest_first=False)]


def test_a_durable_record_is_there_with_all_before_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        audit = await open_audit(AuditConfig(), tmp_path, clock=lambda: 1000.0)
        assert audit is not None
        audit.write(record(1))
        await audit.write_durably(record(2))
        assert requests(tmp_path) == ["1", "2"]
        await audit.close()

    asyncio.run(scenario())


def test_records_are_written_soon_and_at_the_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        audit = await open_audit(AuditConfig(), tmp_path, clock=lambda: 1000.0)
        assert audit is not None
        for number in range(600):
            audit.write(record(number))
        for _ in range(100):
            await asyncio.sleep(0.02)
            if len(requests(tmp_path)) == 600:
                break
        assert len(requests(tmp_path)) == 600
        audit.write(record(600))
        await audit.close()
        assert requests(tmp_path)[-1] == "600"

    asyncio.run(scenario())


class Broken(Ledger):
    """A ledger whose disk is full until `works`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder, writer="h", sign=None, sinks=[], keep_days=None, clock=lambda: 1000.0
        )
        self.works = False

    def append(self, records: Sequence[Record]) -> None:
        if not self.works:
            raise sqlite3.OperationalError("database or disk is full")
        super().append(records)


def test_a_full_queue_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeport.mirror.audit.writer._PATIENCE", 0.1)
    monkeypatch.setattr("homeport.mirror.audit.writer._RETRY", 0.02)

    async def scenario() -> None:
        ledger = Broken(tmp_path)
        pool = ThreadPoolExecutor(1)
        audit = AuditWriter(ledger, queue=300, overflow=Overflow.BLOCK, pool=pool)
        for number in range(300):
            await audit.room()
            audit.write(record(number))
        with pytest.raises(RegistryError) as refused:
            await audit.room()
        assert refused.value.status == 503
        with pytest.raises(RegistryError):
            await audit.write_durably(record(300))
        ledger.works = True
        await asyncio.sleep(0.1)
        await audit.room()
        await audit.close()
        assert requests(tmp_path) == [str(number) for number in range(301)]

    asyncio.run(scenario())


def test_drops_are_counted_where_that_is_the_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeport.mirror.audit.writer._RETRY", 0.02)

    async def scenario() -> None:
        ledger = Broken(tmp_path)
        pool = ThreadPoolExecutor(1)
        audit = AuditWriter(ledger, queue=10, overflow=Overflow.COUNT, pool=pool)
        for number in range(25):
            await audit.room()
            audit.write(record(number))
        ledger.works = True
        await audit.close()
        found = list(query(tmp_path, Filter(), newest_first=False))
        assert [entry.request for entry in found[:-1]] == [str(number) for number in range(10)]
        assert found[-1].action == "dropped"
        assert found[-1].reason.startswith("15 records")

    asyncio.run(scenario())


def test_counting_drops_blocks_nobody(tmp_path: Path) -> None:
    """However large the queue is: one of more than a flush kept requests waiting all the same."""

    async def scenario() -> None:
        ledger = Broken(tmp_path)
        pool = ThreadPoolExecutor(1)
        audit = AuditWriter(ledger, queue=300, overflow=Overflow.COUNT, pool=pool)
        for number in range(400):
            audit.write(record(number))
        async with asyncio.timeout(1):
            await audit.room()
        ledger.works = True
        await audit.close()

    asyncio.run(scenario())


def test_what_is_refused_for_want_of_room_is_on_record_but_not_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeport.mirror.audit.writer._RETRY", 0.02)

    async def scenario() -> None:
        ledger = Broken(tmp_path)
        audit = AuditWriter(ledger, queue=10, overflow=Overflow.BLOCK, pool=ThreadPoolExecutor(1))
        for number in range(1000):
            audit.write(record(number))
        ledger.works = True
        await audit.close()
        found = list(query(tmp_path, Filter(), newest_first=False))
        assert [entry.request for entry in found[:-1]] == [str(number) for number in range(20)]
        assert found[-1].reason.startswith("980 records")

    asyncio.run(scenario())


def test_a_flood_of_denials_meets_a_full_queue_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeport.mirror.audit.writer._PATIENCE", 0.05)
    monkeypatch.setattr("homeport.mirror.audit.writer._RETRY", 0.02)

    async def scenario() -> None:
        ledger = Broken(tmp_path)
        audit = AuditWriter(ledger, queue=5, overflow=Overflow.BLOCK, pool=ThreadPoolExecutor(1))
        refused = await asyncio.gather(
            *(audit.write_durably(record(number)) for number in range(5)), return_exceptions=True
        )
        assert all(isinstance(error, RegistryError) for error in refused)
        with pytest.raises(RegistryError):
            await audit.room()
        ledger.works = True
        await audit.close()

    asyncio.run(scenario())


def test_a_clock_that_went_back_begins_no_segment_with_each_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000.0
    ledger = Ledger(tmp_path, writer="h", sign=None, sinks=[], keep_days=None, clock=lambda: now)
    ledger.append([record(1)])
    now -= 2 * 86_400

    def turned(_ledger: Ledger, _now: float) -> None:
        raise AssertionError("the segment was closed")

    monkeypatch.setattr(Ledger, "_turn", turned)
    ledger.append([record(2)])
    ledger.append([record(3)])
    ledger.close()
    assert requests(tmp_path) == ["1", "2", "3"]


def test_sinks_get_records_and_heads(tmp_path: Path) -> None:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(tmp_path / "log"))
    receiver.settimeout(5)
    sinks = (f"file:{tmp_path / 'lines'}", f"syslog:{tmp_path / 'log'}")

    async def scenario() -> None:
        config = AuditConfig(sinks=sinks)
        audit = await open_audit(config, tmp_path / "audit", clock=lambda: 1000.0)
        assert audit is not None
        await audit.write_durably(record(7))
        await audit.close()

    asyncio.run(scenario())
    lines = [json.loads(line) for line in (tmp_path / "lines").read_text().splitlines()]
    assert lines[0]["request"] == "7"
    assert lines[-1]["audit_head"]["number"] == 1
    datagram = receiver.recv(65536).decode()
    receiver.close()
    assert datagram.startswith("<110>1 ")
    assert json.loads(datagram[datagram.index("{") :])["request"] == "7"


def test_a_sink_that_fails_stops_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        config = AuditConfig(sinks=(f"file:{tmp_path}/none/x", f"syslog:{tmp_path}/none"))
        audit = await open_audit(config, tmp_path / "audit", clock=lambda: 1000.0)
        assert audit is not None
        await audit.write_durably(record(7))
        await audit.close()

    asyncio.run(scenario())
    assert requests(tmp_path / "audit") == ["7"]


@pytest.mark.parametrize("text", ["", "file:relative", "syslog:host", "syslog:host:x", "mail:me"])
def test_what_is_no_sink(text: str) -> None:
    with pytest.raises(UsageError):
        make_sink(text)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    create_key(tmp_path / "key")
    load_signer(tmp_path / "key")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(UsageError, match="read by others"):
        load_signer(tmp_path / "key")
    with pytest.raises(UsageError, match="already"):
        create_key(tmp_path / "key")


def test_no_audit_where_it_is_off(tmp_path: Path) -> None:
    async def scenario() -> None:
        off = AuditConfig(enabled=False)
        assert await open_audit(off, tmp_path / "audit", clock=lambda: 0.0) is None

    asyncio.run(scenario())
    assert not (tmp_path / "audit").exists()
