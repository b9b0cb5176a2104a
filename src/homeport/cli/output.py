"""How commands print: problems on stderr, tables and JSON on stdout."""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from homeport.errors import Problem, Severity
from homeport.lib.columns import pad, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from homeport.lib.redact import Redactor

COLOURS = {"error": "31", "warning": "33", "note": "36", "dim": "2", "bold": "1", "green": "32"}

SHOWN_INCLUDES = 10

_hidden: "list[Redactor]" = []


def hide(values: Iterable[str]) -> None:
    """Show `[MASKED]` for each of these values from now on, wherever it stands."""
    wanted = [value for value in values if value]
    if wanted:
        from homeport.lib.redact import Redactor

        _hidden[:] = [Redactor(wanted)]


def wants_colour(stream: TextIO) -> bool:
    """Colours only on a terminal, and never against NO_COLOR (no-color.org) or TERM=dumb."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def paint(text: str, colour: str, *, on: bool) -> str:
    return f"\033[{COLOURS[colour]}m{text}\033[0m" if on else text


def printable(text: str) -> str:
    """`text` without secrets, and with control characters shown instead of sent to the terminal."""
    for redactor in _hidden:
        text = redactor.redact_text(text)
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in text
    )


def print_problems(problems: Iterable[Problem], stream: TextIO | None = None) -> None:
    """Each problem with its place, the includes that led there, and what to do."""
    stream = stream or sys.stderr
    colour = wants_colour(stream)
    for problem in problems:
        word = paint(f"{problem.severity.value}:", problem.severity.value, on=colour)
        place = f"{problem.span}: " if problem.span else ""
        print(f"{place}{word} {printable(problem.message)}", file=stream)
        for span in problem.included_from[:SHOWN_INCLUDES]:
            print(f"  included from {span}", file=stream)
        if len(problem.included_from) > SHOWN_INCLUDES:
            print(f"  and {len(problem.included_from) - SHOWN_INCLUDES} more includes", file=stream)
        if problem.hint:
            print(f"  {printable(problem.hint)}", file=stream)


def has_errors(problems: Iterable[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def print_json(value: object) -> None:
    """One JSON document alone on stdout, whole on a pipe of any size."""
    import msgspec

    data = msgspec.json.format(msgspec.json.encode(_without_secrets(value)), indent=2) + b"\n"
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _without_secrets(value: object) -> object:
    """The same value with secrets hidden in its strings, which alone can hold them."""
    if not _hidden:
        return value
    if isinstance(value, str):
        return _hidden[0].redact_text(value)
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(item) for item in value]
    return value


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns padded to their widest cell; the last one is left ragged."""
    shown = [[_in_one_line(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(head, *shown, strict=True)]
    colour = wants_colour(sys.stdout)
    lines = [paint(_line(head, widths), "bold", on=colour)]
    lines += [_line(row, widths) for row in shown]
    print("\n".join(lines))


def _in_one_line(cell: str) -> str:
    return printable(cell).replace("\n", "\\n").replace("\t", "\\t")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(map(pad, cells, widths)).rstrip()
