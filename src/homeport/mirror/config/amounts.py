"""Sizes, rates, times and windows as people write them.

Units are those of SI and IEC 80000-13: GB is 1000³ and GiB 1024³ bytes; Mbit is 1000² bits.
"""

import re

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?) ?([kKMGT]?)(i?)B")
_RATE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?) ?([kKMGT]?)(i?)(B|bit)/s")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,6})?(?:ms|[smhd]))+")
_PART = re.compile(r"([0-9.]+)(ms|[smhd])")
_HOURS = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_MINUTES_OF_DAY = 24 * 60
MAX_BYTES = 2**60


def parse_size(raw: object) -> int:
    """Bytes from `1048576`, `"500MB"` or `"20 GiB"`; raises ValueError."""
    found = _SIZE.fullmatch(raw) if isinstance(raw, str) else None
    if found is not None:
        number, unit, binary = found.groups()
        return _bytes(float(number), unit, binary)
    if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw <= MAX_BYTES:
        return raw
    raise ValueError('expected a size such as "20GB" (1000³) or "20GiB" (1024³), or bytes')


def parse_rate(raw: object) -> int:
    """Bytes a second from `"20MB/s"`, `"4MiB/s"`, `"100Mbit/s"` or a number; raises ValueError."""
    value = 0
    found = _RATE.fullmatch(raw) if isinstance(raw, str) else None
    if found is not None:
        number, unit, binary, kind = found.groups()
        value = _bytes(float(number) / (8 if kind == "bit" else 1), unit, binary)
    elif isinstance(raw, int) and not isinstance(raw, bool) and raw <= MAX_BYTES:
        value = raw
    if value <= 0:
        raise ValueError('expected a rate such as "20MB/s" (1000²), "20MiB/s" or "100Mbit/s"')
    return value


def _bytes(number: float, unit: str, binary: str) -> int:
    value = number * float(1024 if binary else 1000) ** _POWERS[unit.lower()]
    if value > MAX_BYTES or (binary and not unit):
        raise ValueError("that many bytes are more than anybody has")
    return round(value)


def parse_duration(raw: object) -> float:
    """Seconds from `"15m"`, `"1h30m"`, `"250ms"`, `"7d"` or a number; raises ValueError."""
    if isinstance(raw, str) and _DURATION.fullmatch(raw):
        try:
            return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(raw))
        except ValueError:
            pass
    elif isinstance(raw, int | float) and not isinstance(raw, bool) and 0 <= raw < 1e10:
        return float(raw)
    raise ValueError('expected a time such as "90s", "15m", "1h30m" or "7d", or seconds')


def parse_days(raw: object) -> tuple[str, ...]:
    """Days of the week from `"mon-fri"`, `"sat,sun"`, `"fri-mon"` or a list of days, in order."""
    words = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(words, list) or not words:
        raise ValueError(_DAYS_WANTED)
    chosen: set[str] = set()
    for word in words:
        first, dash, last = str(word).strip().lower().partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(_DAYS_WANTED)
        start, stop = DAYS.index(first), DAYS.index(last or first)
        chosen.update(DAYS[day % 7] for day in range(start, stop + (7 if stop < start else 0) + 1))
    return tuple(day for day in DAYS if day in chosen)


_DAYS_WANTED = 'expected days such as "mon-fri" or "sat,sun"'


def parse_hours(raw: object) -> tuple[int, int]:
    """Minutes of the day from `"08:00-18:00"`; `"22:00-06:00"` goes on past midnight."""
    found = _HOURS.fullmatch(raw) if isinstance(raw, str) else None
    if found is not None:
        numbers = tuple(map(int, found.groups()))
        start, stop = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
        if start != stop and start < _MINUTES_OF_DAY and stop <= _MINUTES_OF_DAY:
            return start, stop
    raise ValueError('expected hours such as "08:00-18:00"')
