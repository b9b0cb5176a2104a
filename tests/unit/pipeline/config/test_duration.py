"""Durations as GitLab's ChronicDuration reads them."""

import pytest

from homeport.pipeline.config.duration import MONTH, WEEK, is_never, parse_duration, within

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("42", 42),
        ("42 seconds", 42),
        ("3 mins 4 sec", 184),
        ("2 hrs 20 min", 2 * HOUR + 1200),
        ("2h20min", 2 * HOUR + 1200),
        ("1h30m", 1.5 * HOUR),
        ("1 hour 30 minutes", 1.5 * HOUR),
        ("3h 30m 10s", 3.5 * HOUR + 10),
        ("1.5 hours", 1.5 * HOUR),
        ("6 mos 1 day", 181 * DAY),
        ("47 yrs 6 mos and 4d", 47 * 31_557_600 + 184 * DAY),
        ("3 weeks and 2 days", 23 * DAY),
        ("2 days", 2 * DAY),
        ("1w", 7 * DAY),
        ("one week", 7 * DAY),
        ("twenty-five minutes", 25 * 60),
        ("two hundred seconds", 200),
        ("day", DAY),
        ("minute 30sec", 90),
        ("1:30", 90),
        ("3:41:59", 3 * HOUR + 41 * 60 + 59),
        ("1 Day, 2 Hours", 26 * HOUR),
        ("1 day plus 1 hour", 25 * HOUR),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0 minutes",
        "soon",
        "7 elephants",
        "-3 minutes",
        "1:2:3:4:5:6:7",
        "never",
        "1 " * 200,
    ],
)
def test_no_durations(text: str) -> None:
    assert parse_duration(text) is None


def test_never_is_a_word_of_its_own() -> None:
    assert is_never("Never")
    assert not is_never("1 day")


def test_limits_are_inclusive() -> None:
    assert within("7 days", WEEK)
    assert not within("8 days", WEEK)
    assert within("30 days", MONTH)
    assert not within("31 days", MONTH)
    assert not within("soon", MONTH)
