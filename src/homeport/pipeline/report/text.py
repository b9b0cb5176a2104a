"""Text from a repository or a job, made fit for a terminal.

Names and reasons are shown with their control characters spelt out. A job's output keeps colours
(SGR sequences, ECMA-48 8.3.117) if wanted, and loses everything else that moves the cursor, sets
titles or fills the clipboard.
"""

from collections.abc import Callable, Sequence
from functools import cache
from re import Match, Pattern, compile  # noqa: A004


def printable(text: str) -> str:
    """`text` on one line, with everything that is no visible character spelt out."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def shown_lines(lines: tuple[str, ...], *, colour: bool) -> Sequence[str]:
    """The lines of a job's log as they go to a terminal, without GitLab's section markers."""
    together = "".join(lines)
    if together.isprintable() or not _control().search(together):
        return lines
    return [shown for line in lines if (shown := _shown_line(line, colour=colour)) is not None]


def _shown_line(line: str, *, colour: bool) -> str | None:
    """None for a line that is nothing but section markers."""
    if "section_" in line:
        rest = _section().sub("", line)
        if rest != line and not _drop(colour=False)(rest).strip():
            return None
        line = rest
    if "\r" in line:
        # Each part overwrites the one before; only the last is left on a terminal.
        line = next((part for part in reversed(line.split("\r")) if part), "")
    if colour and "\x1b" in line:
        return _drop(colour=True)(line) + "\x1b[0m"
    return _drop(colour=False)(line)


@cache
def _control() -> Pattern[str]:
    """Control characters other than a tabulator."""
    return compile("[\x00-\x08\x0a-\x1f\x7f-\x9f]")


@cache
def _section() -> Pattern[str]:
    """GitLab, "Custom collapsible sections"."""
    return compile(
        "section_(?:start|end):[0-9]+:[A-Za-z0-9_.-]+(?:\\[[^\\]\r]*\\])?"
        "(?:\r\x1b\\[0K|\r|\x1b\\[0K|$)"
    )


@cache
def _drop(*, colour: bool) -> Callable[[str], str]:
    """A function that drops control sequences and characters, all or all but colours."""
    pattern = compile(
        "(\x1b\\[[0-9;:]*m)"
        "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"
        "|\x1b[]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)?"
        "|\x1b[ -/]*[0-~]?"
        "|[\x00-\x08\x0a-\x1f\x7f-\x9f]"
    )
    if not colour:
        return lambda line: pattern.sub("", line)

    def kept(match: Match[str]) -> str:
        return match[1] or ""

    return lambda line: pattern.sub(kept, line)
