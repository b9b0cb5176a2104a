"""Amounts as people read them."""

import pytest

from homeport.lib.units import format_bytes, format_seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0ms"),
        (0, "0ms"),
        (0.0349, "35ms"),
        (0.9996, "1.0s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (64, "1m 04s"),
        (3599.6, "1h 00m 00s"),
        (7207, "2h 00m 07s"),
        (360000, "100h 00m 00s"),
    ],
)
def test_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1258291, "1.2 MiB"),
        (1024**2 - 1, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (1024**4, "1.0 TiB"),
        (1024**6, "1024.0 PiB"),
    ],
)
def test_bytes(size: int, text: str) -> None:
    assert format_bytes(size) == text
