"""Which rate holds at which time of the week."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from homeport.mirror.bandwidth.rate import Rate
from homeport.mirror.model.config import WindowConfig

BERLIN = ZoneInfo("Europe/Berlin")
WEEK = ("mon", "tue", "wed", "thu", "fri")
OFFICE = WindowConfig(rate=20, days=WEEK, start=8 * 60, stop=18 * 60)
NIGHT = WindowConfig(rate=90, days=("fri",), start=22 * 60, stop=6 * 60)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-11-24 07:59", 50),  # a Tuesday
        ("2026-11-24 08:00", 20),
        ("2026-11-24 17:59", 20),
        ("2026-11-24 18:00", 50),
        ("2026-11-28 12:00", 50),  # a Saturday
        ("2026-11-27 23:00", 90),  # Friday's night
        ("2026-11-28 05:59", 90),  # goes on into Saturday
        ("2026-11-28 06:00", 50),
        ("2026-11-29 05:00", 50),
        ("2026-07-01 08:00", 20),  # in summer time as well
    ],
)
def test_rate(when: str, expected: int) -> None:
    rate = Rate(base=50, windows=(OFFICE, NIGHT), zone=BERLIN)
    now = datetime.fromisoformat(when).replace(tzinfo=BERLIN).timestamp()
    assert rate.at(now) == expected


def test_the_slowest_window_counts() -> None:
    always = WindowConfig(rate=5)
    now = datetime(2026, 11, 24, 9, tzinfo=BERLIN).timestamp()
    assert Rate(windows=(OFFICE, always), zone=BERLIN).at(now) == 5


def test_without_a_window_the_base_holds() -> None:
    assert Rate(base=7).at(0) == 7
    assert Rate(windows=(OFFICE,), zone=BERLIN).at(0) is None
    assert not Rate().limits
    assert Rate(windows=(OFFICE,)).limits
