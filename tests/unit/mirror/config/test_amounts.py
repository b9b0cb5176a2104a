"""Amounts: what is accepted, what it means, and that nothing else breaks out."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.mirror.config.amounts import (
    DAYS,
    parse_days,
    parse_duration,
    parse_hours,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("parse", "raw", "value"),
    [
        (parse_size, 0, 0),
        (parse_size, 1048576, 1048576),
        (parse_size, "512B", 512),
        (parse_size, "20GB", 20_000_000_000),
        (parse_size, "20 GiB", 20 * 1024**3),
        (parse_size, "1.5TB", 1_500_000_000_000),
        (parse_size, "1kB", 1000),
        (parse_size, "1KB", 1000),
        (parse_rate, "20MB/s", 20_000_000),
        (parse_rate, "4MiB/s", 4 * 1024**2),
        (parse_rate, "100Mbit/s", 12_500_000),
        (parse_rate, 65536, 65536),
        (parse_duration, 30, 30.0),
        (parse_duration, 1.5, 1.5),
        (parse_duration, "250ms", 0.25),
        (parse_duration, "15m", 900.0),
        (parse_duration, "1h30m", 5400.0),
        (parse_duration, "7d", 604_800.0),
        (parse_days, "mon-fri", DAYS[:5]),
        (parse_days, "sat,sun", ("sat", "sun")),
        (parse_days, "fri-mon", ("mon", "fri", "sat", "sun")),
        (parse_days, "Wed", ("wed",)),
        (parse_days, ["tue", "mon-tue"], ("mon", "tue")),
        (parse_days, "sun-sat", ("mon", "tue", "wed", "thu", "fri", "sat", "sun")),
        (parse_hours, "08:00-18:00", (480, 1080)),
        (parse_hours, "22:30-06:00", (1350, 360)),
        (parse_hours, "00:00-24:00", (0, 1440)),
    ],
)
def test_an_amount(parse: Callable[[object], object], raw: object, value: object) -> None:
    assert parse(raw) == value


@pytest.mark.parametrize(
    ("parse", "raw"),
    [
        (parse_size, "20G"),
        (parse_size, "20iB"),
        (parse_size, "-1B"),
        (parse_size, -1),
        (parse_size, True),
        (parse_size, 1.5),
        (parse_size, "9999999999TB"),
        (parse_rate, "20MB"),
        (parse_rate, "0MB/s"),
        (parse_rate, 0),
        (parse_rate, True),
        (parse_duration, ""),
        (parse_duration, "15"),
        (parse_duration, "m"),
        (parse_duration, "1.2.3s"),
        (parse_duration, float("nan")),
        (parse_duration, float("inf")),
        (parse_duration, -1),
        (parse_duration, True),
        (parse_days, ""),
        (parse_days, "monday"),
        (parse_days, []),
        (parse_days, [1]),
        (parse_days, "mon-"),
        (parse_hours, "8-18"),
        (parse_hours, "08:00-08:00"),
        (parse_hours, "24:00-06:00"),
        (parse_hours, "00:00-24:30"),
        (parse_hours, 8),
    ],
)
def test_no_amount(parse: Callable[[object], object], raw: object) -> None:
    with pytest.raises(ValueError, match=r"expected|more than"):
        parse(raw)


@given(
    st.sampled_from((parse_size, parse_rate, parse_duration, parse_days, parse_hours)),
    st.text(alphabet="0123456789.kKMGTiBbits/ms hd:-,onfr", max_size=30) | st.text() | st.floats(),
)
def test_any_text_is_an_amount_or_a_fault(parse: Callable[[object], object], raw: object) -> None:
    with contextlib.suppress(ValueError):
        value = parse(raw)
        assert not isinstance(value, int | float) or value >= 0
