"""A job's log as HTML: colours as spans, GitLab's sections as folds, and nothing else of it.

Every character of the log is escaped; of its control sequences only SGR (ECMA-48 8.3.117) means
anything, and what that becomes is made of numbers and words of ours.
"""

import re
from collections.abc import Iterable, Iterator
from html import escape

from homeport.lib.units import format_seconds

_MAX_DEPTH = 20
_MAX_OPEN = 200
_SECTION = re.compile(
    "section_(start|end):([0-9]{1,12}):([A-Za-z0-9_.-]+)(?:\\[([^\\]\r]*)\\])?"
    "(?:\r\x1b\\[0K|\r|\x1b\\[0K|$)"
)
_SEQUENCE = re.compile(
    "\x1b\\[([0-9;:]*)m"
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"
    "|\x1b[]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)?"
    "|\x1b[ -/]*[0-~]?"
    "|[\x00-\x08\x0a-\x1f\x7f-\x9f]"
)
_STYLES = {1: "b", 2: "dim", 3: "i", 4: "u", 9: "s"}
_STYLES_OFF = {22: ("b", "dim"), 23: ("i",), 24: ("u",), 29: ("s",)}


class _Pen:
    """What SGR sequences have set so far."""

    def __init__(self) -> None:
        self._on: dict[str, None] = {}
        self._colours: dict[str, str] = {}

    def set(self, parameters: str) -> None:
        numbers = [int(part[:6] or 0) for part in re.split("[;:]", parameters[:200])]
        while numbers:
            number = numbers.pop(0)
            if number == 0:
                self._on.clear()
                self._colours.clear()
            elif number in _STYLES:
                self._on[_STYLES[number]] = None
            elif number in _STYLES_OFF:
                for name in _STYLES_OFF[number]:
                    self._on.pop(name, None)
            elif number in (38, 48):
                self._set_colour("f" if number == 38 else "g", numbers)
            elif number in (39, 49):
                self._colours.pop("f" if number == 39 else "g", None)
            else:
                self._set_basic(number)

    def span(self, text: str) -> str:
        """`text`, which has no control characters, escaped and painted."""
        if not text or not (self._on or self._colours):
            return escape(text)
        names = [*self._on, *(colour for colour in self._colours.values() if colour[0] != "#")]
        kinds = {"f": "color", "g": "background"}
        style = ";".join(
            f"{kinds[kind]}:{colour}" for kind, colour in self._colours.items() if colour[0] == "#"
        )
        classes = f' class="{" ".join(names)}"' if names else ""
        styles = f' style="{style}"' if style else ""
        return f"<span{classes}{styles}>{escape(text)}</span>"

    def _set_basic(self, number: int) -> None:
        for first, kind, bright in ((30, "f", 0), (40, "g", 0), (90, "f", 8), (100, "g", 8)):
            if first <= number < first + 8:
                self._colours[kind] = f"{kind}{number - first + bright}"

    def _set_colour(self, kind: str, numbers: list[int]) -> None:
        """`38;5;N` and `38;2;R;G;B`."""
        how = numbers.pop(0) if numbers else 0
        if how == 5 and numbers:
            number = min(numbers.pop(0), 255)
            self._colours[kind] = f"{kind}{number}" if number < 16 else _of_256(number)
        elif how == 2 and len(numbers) >= 3:
            red, green, blue = (min(numbers.pop(0), 255) for _ in range(3))
            self._colours[kind] = f"#{red:02x}{green:02x}{blue:02x}"


def log_as_html(lines: Iterable[str]) -> Iterator[str]:
    """Pieces of HTML for the lines of a log, without their line ends; folds are balanced."""
    pen = _Pen()
    opened: list[tuple[str, int, bool]] = []  # name, start, whether it has a fold
    for line in lines:
        rest, place = [], 0
        for match in _SECTION.finditer(line) if "section_" in line else ():
            before = line[place : match.start()]
            if before.strip():
                rest.append(before)
            place = match.end()
            kind, at, name, options = match.groups()
            if kind == "end":
                yield from _close(opened, name, int(at))
                continue
            following = _SECTION.search(line, place)
            header = line[place : following.start() if following else len(line)]
            place += len(header)
            folds = len(opened) < _MAX_DEPTH
            if len(opened) < _MAX_OPEN:
                opened.append((name, int(at), folds))
            if folds:
                shut = "collapsed=true" in (options or "")
                title = _paint(header, pen) or escape(name)
                yield f"<details{'' if shut else ' open'}><summary>{title}</summary>"
        tail = line[place:]
        if place and not "".join((*rest, tail)).strip():
            continue
        yield _paint("".join((*rest, tail)), pen) + "\n"
    while opened:
        _, _, folds = opened.pop()
        if folds:
            yield "</details>"


def _close(opened: list[tuple[str, int, bool]], name: str, at: int) -> Iterator[str]:
    """End a section and those within that never ended; the end of an unknown one is nothing."""
    if all(one[0] != name for one in opened):
        return
    while opened:
        inner, began, folds = opened.pop()
        if inner == name:
            if folds:
                yield f'<span class="took">{format_seconds(max(0, at - began))}</span></details>'
            return
        if folds:
            yield "</details>"


def _paint(line: str, pen: _Pen) -> str:
    if "\r" in line:
        # Each part overwrites the one before; only the last is left on a terminal.
        line = next((part for part in reversed(line.split("\r")) if part), "")
    if line.isprintable():
        return pen.span(line)
    painted, place = [], 0
    for match in _SEQUENCE.finditer(line):
        painted.append(pen.span(line[place : match.start()]))
        place = match.end()
        if match[1] is not None:
            pen.set(match[1])
    painted.append(pen.span(line[place:]))
    return "".join(painted)


def _of_256(number: int) -> str:
    """The colour cube and the greys of xterm."""
    if number >= 232:
        grey = 8 + 10 * (number - 232)
        return f"#{grey:02x}{grey:02x}{grey:02x}"
    number -= 16
    steps = (0, 95, 135, 175, 215, 255)
    red, green, blue = steps[number // 36], steps[number // 6 % 6], steps[number % 6]
    return f"#{red:02x}{green:02x}{blue:02x}"
