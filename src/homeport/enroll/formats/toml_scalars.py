"""The scalars of TOML 1.0: strings, numbers, words, dates and times, at a place of a text."""

import re
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, Optional, Union

from homeport.enroll.errors import BrokenFileError
from homeport.enroll.formats.place import place

_NUMBER_LENGTH = 200
_BLANK = re.compile(r"[ \t]*")
NEWLINE = re.compile(r"\r?\n")
_BASIC = re.compile(r'[^"\\\x00-\x08\x0a-\x1f\x7f]*')
_LITERAL = re.compile(r"[^'\x00-\x08\x0a-\x1f\x7f]*")
_CONTINUE = re.compile(r"[ \t]*\r?\n(?:[ \t]|\r?\n)*")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
_HEX = {"u": re.compile(r"[0-9A-Fa-f]{4}"), "U": re.compile(r"[0-9A-Fa-f]{8}")}
_DIGITS = r"[0-9](?:_?[0-9])*"
_NUMBER = re.compile(
    r"0x[0-9A-Fa-f](?:_?[0-9A-Fa-f])*|0b[01](?:_?[01])*|0o[0-7](?:_?[0-7])*"
    rf"|[+-]?(?:0|[1-9](?:_?[0-9])*)((?:\.{_DIGITS})?(?:[eE][+-]?{_DIGITS})?)"
)
_WORD = re.compile(r"true|false|[+-]?(?:inf|nan)")
_CLOCK = r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,6})[0-9]*)?"
_TIME = re.compile(_CLOCK)
_DATE = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    rf"(?:[Tt ]{_CLOCK}(?:([Zz])|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))?)?"
)


class Scalars:
    """Reads one at a place; each method gives the value and where it ends."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path

    def broken(self, position: int, message: str) -> BrokenFileError:
        hint = "no engine would read it; mend it first, nothing is changed"
        return BrokenFileError(self._path, *place(self._text, position), message, hint=hint)

    def blank(self, position: int) -> int:
        found = _BLANK.match(self._text, position)
        return found.end() if found else position

    def scalar(self, start: int) -> tuple[Any, int]:
        text = self._text
        found = _DATE.match(text, start)
        if found is not None:
            try:
                return _moment(found), found.end()
            except ValueError:
                raise self.broken(start, "there is no such date") from None
        found = _TIME.match(text, start)
        if found is not None:
            return time(*_clock(found.groups())), found.end()
        found = _NUMBER.match(text, start)
        if found is not None:
            if found.end() - start > _NUMBER_LENGTH:
                raise self.broken(start, "the number is too large")
            if found.group(1):
                return float(found.group()), found.end()
            number = int(found.group(), 0)
            if not -(2**63) <= number < 2**63:
                raise self.broken(start, "the number is too large")
            return number, found.end()
        found = _WORD.match(text, start)
        if found is None:
            raise self.broken(start, "a value is missing or not valid")
        word = found.group()
        return (word == "true" if word in ("true", "false") else float(word)), found.end()

    def string(self, start: int) -> tuple[str, int]:
        """A string of one line."""
        text, quote = self._text, self._text[start]
        pattern = _BASIC if quote == '"' else _LITERAL
        parts: list[str] = []
        position = start + 1
        while True:
            found = pattern.match(text, position)
            position = found.end() if found else position
            parts.append(found.group() if found else "")
            sign = text[position : position + 1]
            if sign == quote:
                return "".join(parts), position + 1
            if sign != "\\":
                raise self.broken(start, "the string has no end on its line")
            part, position = self._escape(position)
            parts.append(part)

    def long_string(self, start: int) -> tuple[str, int]:
        """A string between three quotes; up to two more may stand before its end."""
        text, quote = self._text, self._text[start]
        pattern = _BASIC if quote == '"' else _LITERAL
        parts: list[str] = []
        found = NEWLINE.match(text, start + 3)
        position = found.end() if found else start + 3
        while True:
            found = pattern.match(text, position)
            position = found.end() if found else position
            parts.append(found.group() if found else "")
            sign = text[position : position + 1]
            newline = NEWLINE.match(text, position)
            if newline is not None:
                parts.append("\n")
                position = newline.end()
            elif sign == "\\":
                going = _CONTINUE.match(text, position + 1)
                part, position = ("", going.end()) if going else self._escape(position)
                parts.append(part)
            elif sign != quote:
                raise self.broken(start, "the string has no end")
            else:
                count = 1
                while count < 5 and text.startswith(quote, position + count):
                    count += 1
                parts.append(quote * (count if count < 3 else count - 3))
                position += count
                if count >= 3:
                    return "".join(parts), position

    def _escape(self, start: int) -> tuple[str, int]:
        sign = self._text[start + 1 : start + 2]
        if sign in _ESCAPES:
            return _ESCAPES[sign], start + 2
        found = _HEX[sign].match(self._text, start + 2) if sign in _HEX else None
        if found is not None:
            number = int(found.group(), 16)
            if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF:
                return chr(number), found.end()
        raise self.broken(start, "there is no such escape")


def _clock(groups: tuple[Any, ...]) -> tuple[int, int, int, int]:
    hour, minute, second, fraction = groups[:4]
    return int(hour), int(minute), int(second), int((fraction or "").ljust(6, "0"))


def _moment(found: "re.Match[str]") -> Union[date, datetime]:
    groups = found.groups()
    day = (int(groups[0]), int(groups[1]), int(groups[2]))
    if groups[3] is None:
        return date(*day)
    zone: Optional[timezone] = None
    if groups[7]:
        zone = timezone.utc
    elif groups[8]:
        offset = timedelta(hours=int(groups[9]), minutes=int(groups[10]))
        zone = timezone(-offset if groups[8] == "-" else offset)
    return datetime(*day, *_clock(groups[3:]), tzinfo=zone)
