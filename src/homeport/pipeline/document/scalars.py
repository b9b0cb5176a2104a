"""Psych's reading of an unquoted scalar: which words are numbers, booleans, null, symbols.

The rules are those of Psych 5 (`ScalarScanner`), which GitLab uses: YAML 1.1 with differences of
its own. tests/unit/pipeline/document/psych.yml lists each of them.
"""

import re
from typing import Any

from homeport.pipeline.model.document import Symbol

_TEXT = re.compile(r"[^0-9.:\-]?(?:[^\W\d_]|[_ \t\r\n\f\v!@#$%^&*(){}<>|/\\~;=])")
# What few files hold is compiled when it is first met.
_MAYBE_WORD = "ytonf~YTONF"
_WORDS = {
    "null": None,
    "yes": True,
    "true": True,
    "on": True,
    "no": False,
    "false": False,
    "off": False,
}
_WORD_IN_LINES = (
    (r"(?im)^null$", None),
    (r"(?im)^(?:yes|true|on)$", True),
    (r"(?im)^(?:no|false|off)$", False),
)
_TIME = (
    r"-?[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?"
    r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}:?(?:[0-9]{2})?))?"
)
_DATE = r"[0-9]{4}-(?:1[012]|0[0-9]|[0-9])-(?:[12][0-9]|3[01]|0[0-9]|[0-9])"
_INFINITY = r"(?i)([-+]?)\.inf"
_SYMBOL = r""":(["'])(.*)\1"""
_SEXAGESIMAL = r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9]){1,2}(\.[0-9_]*)?"
_FLOAT = r"[-+]?(?:[0-9][0-9_,]*)?\.[0-9]*(?:[eE][-+][0-9]+)?"
_FLOAT_POINT = r"\.(?=[Ee]|$)"
_INTEGER = r"[-+]?(?:(0b[01_,]+)|(0x[0-9a-fA-F_,]+)|(0[0-7_,]+)|0|[1-9](?:[0-9]|,[0-9]|_[0-9])*)"


class ScalarError(Exception):
    """A scalar that Psych refuses to read; the text is Ruby's own."""


def read_scalar(text: str) -> Any:
    """The value of an unquoted scalar: None, bool, int, float, `Symbol`, or the text itself.

    Raises `ScalarError` for dates and times, whose classes GitLab does not permit, and for
    numbers that Ruby cannot read.
    """
    if not text:
        return None
    if _TEXT.match(text) or "\n" in text:
        return text if len(text) > 5 else _read_word(text)
    if re.fullmatch(_TIME, text):
        raise ScalarError("Tried to load unspecified class: Time")
    if re.fullmatch(_DATE, text):
        raise ScalarError("Tried to load unspecified class: Date")
    if len(text) > 1 and text[0] == ":":
        quoted = re.match(_SYMBOL, text)
        return Symbol(quoted[2].removeprefix(":") if quoted else text[1:])
    if text.isascii() and text.isdecimal() and text[0] != "0":
        return _integer(text)
    return _read_number(text)


def read_float(text: str) -> float:
    """The value of a scalar tagged `!!float`."""
    value = read_scalar(text)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ScalarError(f'invalid value for Float(): "{_shorten(text)}"')


def _read_word(text: str) -> Any:
    if text[0] not in _MAYBE_WORD:
        return text
    if text == "~":
        return None
    if text.isascii() and "\n" not in text:
        return _WORDS.get(text.lower(), text)
    for pattern, value in _WORD_IN_LINES:
        if re.search(pattern, text):
            return value
    return text


def _read_number(text: str) -> Any:
    infinity = re.fullmatch(_INFINITY, text)
    if infinity:
        return float(infinity[1] + "inf")
    if text.lower() == ".nan":
        return float("nan")
    sexagesimal = re.fullmatch(_SEXAGESIMAL, text)
    if sexagesimal:
        read = _float if sexagesimal[1] is not None else _integer
        parts = text.split(":")
        # Psych counts the first part as hours even when there are two parts: 1:30 is 5400.
        return sum(read(part) * 60 ** (2 - place) for place, part in enumerate(parts))
    if re.fullmatch(_FLOAT, text):
        return text if text.lstrip("+-") == "." else _float(text)
    integer = re.fullmatch(_INTEGER, text)
    if not integer:
        return text
    return _integer(text, 2 if integer[1] else 16 if integer[2] else 8 if integer[3] else 10)


def _float(text: str) -> float:
    digits = re.sub(_FLOAT_POINT, "", re.sub("[,_]", "", text))
    try:
        return float(digits)
    except ValueError:
        raise ScalarError(f'invalid value for Float(): "{_shorten(digits)}"') from None


def _integer(text: str, base: int = 10) -> int:
    digits = re.sub("[,_]", "", text)
    try:
        return int(digits, base)
    except ValueError:
        raise ScalarError(f'invalid value for Integer(): "{_shorten(digits)}"') from None


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
