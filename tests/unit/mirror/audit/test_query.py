"""Questions to the audit."""

from pathlib import Path

import pytest

from homeport.mirror.audit.ledger import Ledger
from homeport.mirror.audit.query import Filter, query
from homeport.mirror.model.record import Record

NOON = 20_000 * 86_400.0 + 43_200


def record(number: int, **fields: object) -> Record:
    known = {
        "time": NOON + number,
        "request": str(number),
        "listener": "main",
        "action": "pull",
        "method": "GET",
        "status": 200,
        "address": "10.0.0.1",
        "upstream": "docker.io",
        "repository": "library/alpine",
    }
    return Record(**{**known, **fields})  # type: ignore[arg-type]


RECORDS = [
    record(1, principal="ann", digest="sha256:aa", cache="miss"),
    record(2, principal="bob", digest="sha256:aa", cache="hit"),
    record(3, principal="bob", allowed=False, status=403, repository="secret/app"),
    record(4, action="push", upstream="local", repository="team/app", principal="robot$ci"),
]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), "4321"),
        (Filter(digest="sha256:aa"), "21"),
        (Filter(principal="bob"), "32"),
        (Filter(principal="robot$*"), "4"),
        (Filter(denied=True), "3"),
        (Filter(since=NOON + 2, until=NOON + 4), "32"),
        (Filter(action="push"), "4"),
        (Filter(repository="library/*"), "21"),
        (Filter(repository="library*"), ""),
        (Filter(repository="lib**"), "21"),
        (Filter(cache="hit"), "2"),
        (Filter(status=403), "3"),
        (Filter(until=NOON - 10 * 86_400), ""),
    ],
)
def test_query(tmp_path: Path, wanted: Filter, expected: str) -> None:
    ledger = Ledger(
        tmp_path, writer="Host Name", sign=None, sinks=[], keep_days=None, clock=lambda: NOON
    )
    ledger.append(RECORDS)
    ledger.close()
    assert "".join(entry.request for entry in query(tmp_path, wanted)) == expected


def test_limit_and_order(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, writer="h", sign=None, sinks=[], keep_days=None, clock=lambda: NOON)
    ledger.append(RECORDS)
    found = query(tmp_path, Filter(), limit=2, newest_first=False)
    assert [entry.request for entry in found] == ["1", "2"]
    ledger.close()
