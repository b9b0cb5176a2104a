"""Durations as people write them (`1h 30m`, `3 mins 4 sec`, `2 weeks and 2 days`) in seconds.

GitLab reads them with the ChronicDuration library: words for numbers are understood, a bare number
is seconds, `1:30` is a minute and a half, a month has 30 days, and a zero is no duration. Source:
GitLab's CI/CD YAML reference, `artifacts:expire_in`, `timeout`, `rules:start_in`.
"""

import re
from functools import lru_cache
from typing import Final

WEEK: Final = 7 * 24 * 3600.0
MONTH: Final = 2_629_746.0
"""The longest timeout of a job: a month as Rails counts it."""

_MULTIPLIERS = {
    "seconds": 1,
    "minutes": 60,
    "hours": 3600,
    "days": 24 * 3600,
    "weeks": 7 * 24 * 3600,
    "months": 30 * 24 * 3600,
    "years": 31_557_600,
}
_CHRONO = ("seconds", "minutes", "hours", "days", "months", "years")
_SPELLINGS = {
    "seconds": "seconds second secs sec s",
    "minutes": "minutes minute mins min m",
    "hours": "hours hour hrs hr h",
    "days": "days day dy d",
    "weeks": "weeks week wks wk w",
    "months": "months month mos mo",
    "years": "years year yrs yr y",
}
_UNITS = {word: unit for unit, words in _SPELLINGS.items() for word in words.split()}
_JOINING = frozenset(("and", "with", "plus"))
_SMALL = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES = {"hundred": 100, "thousand": 1000}
_NUMBER = r"[0-9]*\.?[0-9]+"
_CLOCK = r"[0-9]*\.?[0-9]+(:[0-9]*\.?[0-9]+)+"
_WORD = r"[a-z]+"
_MAX_LENGTH = 255


def is_never(text: str) -> bool:
    """Whether `expire_in` says that artifacts never expire."""
    return text.lower() == "never"


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> float | None:
    """The seconds that `text` means, or None where GitLab says "should be a duration"."""
    if len(text) > _MAX_LENGTH:
        return None
    lowered = _spell_numbers(text.lower())
    clock = _from_clock(lowered)
    if clock is None:
        return None
    words = _words(re.sub(_NUMBER, r" \g<0> ", clock).split())
    if words is None:
        return None
    total = 0.0
    for index, word in enumerate(words):
        if re.fullmatch(_NUMBER, word):
            unit = words[index + 1] if index + 1 < len(words) else "seconds"
            total += float(word) * _MULTIPLIERS.get(unit, 0)
    return total or None


def within(text: str, limit: float) -> bool:
    """Whether `text` is a duration of at most `limit` seconds."""
    seconds = parse_duration(text)
    return seconds is not None and seconds <= limit


def _from_clock(text: str) -> str | None:
    """`3:41:59` as hours, minutes and seconds; None when it has too many parts."""
    packed = text.replace(" ", "")
    if not re.search(_CLOCK, packed):
        return text
    parts = packed.split(":")[::-1]
    if len(parts) > len(_CHRONO):
        return None
    return " ".join(f"{part} {_CHRONO[at]}" for at, part in reversed(list(enumerate(parts))))


def _words(raw: list[str]) -> list[str] | None:
    """Numbers and full unit names; None if a word means nothing."""
    words: list[str] = []
    for word in raw:
        if re.search(_NUMBER, word):
            words.append(word)
            continue
        bare = word.removeprefix(",").removesuffix(",")
        if bare in _UNITS:
            words.append(_UNITS[bare])
        elif bare not in _JOINING:
            return None
    if words and words[0] in _MULTIPLIERS:
        words.insert(0, "1")
    return words


def _spell_numbers(text: str) -> str:
    """Number words as digits: `one week`, `twenty-five minutes`, `two hundred seconds`."""
    if not re.search(_WORD, text):
        return text
    result: list[str] = []
    value: int | None = None
    for word in re.sub(r"(?<=ty)-(?=[a-z])", " ", text).split():
        if word in _SMALL:
            value = (value or 0) + _SMALL[word]
        elif word in _SCALES:
            value = (1 if value is None else value) * _SCALES[word]
        else:
            if value is not None:
                result.append(str(value))
                value = None
            result.append(word)
    if value is not None:
        result.append(str(value))
    return " ".join(result)
