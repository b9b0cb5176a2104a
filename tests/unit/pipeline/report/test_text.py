"""Hostile and ordinary text on its way to a terminal."""

import pytest

from homeport.pipeline.report.text import printable, shown_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("build: [linux, amd64]", "build: [linux, amd64]"),
        ("größe ✓", "größe ✓"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\tc", r"a\nb\tc"),
        ("right\u202eleft", r"right\u202eleft"),
        ("\x9b31m", r"\x9b31m"),
        ("\udc80", r"\udc80"),
    ],
)
def test_names_show_their_control_characters(text: str, shown: str) -> None:
    assert printable(text) == shown


# A line of a log, how it is shown with colours and how without; None for a line left out.
LINES = [
    ("plain", "plain", "plain"),
    ("", "", ""),
    ("tab\there", "tab\there", "tab\there"),
    ("\x1b[32mok\x1b[0;m", "\x1b[32mok\x1b[0;m\x1b[0m", "ok"),
    ("\x1b[38;5;208mx", "\x1b[38;5;208mx\x1b[0m", "x"),
    ("\x1b[2Jcleared", "cleared\x1b[0m", "cleared"),
    ("\x1b[1;1Hhome", "home\x1b[0m", "home"),
    ("\x1b]0;title\x07text", "text\x1b[0m", "text"),
    ("\x1b]52;c;c2VjcmV0\x1b\\text", "text\x1b[0m", "text"),
    ("\x1bPq#0\x1b\\text", "text\x1b[0m", "text"),
    ("\x1bctext", "text\x1b[0m", "text"),
    ("cut off \x1b", "cut off \x1b[0m", "cut off "),
    ("cut off \x1b[3", "cut off 3\x1b[0m", "cut off 3"),
    ("\x9b2Jeight bits", "eight bits", "eight bits"),
    ("bell\x07 and back\x08", "bell and back", "bell and back"),
    ("10%\r50%\r100%", "100%", "100%"),
    ("dos line\r", "dos line", "dos line"),
    ("\r", "", ""),
    ("section_start:1700000000:build\r\x1b[0KBuild it", "Build it", "Build it"),
    ("section_start:1700000000:a.b-c[collapsed=true]\r\x1b[0K\x1b[36mIt\x1b[0m",
     "\x1b[36mIt\x1b[0m\x1b[0m", "It"),
    ("section_end:1700000000:build\r\x1b[0K", None, None),
    ("section_end:1700000000:build\r", None, None),
    ("section_end:1700000000:build\r\x1b[0Ksection_start:1700000001:test\r\x1b[0KTest",
     "Test", "Test"),
    ("section_start:soon:build\r\x1b[0KBuild", "Build\x1b[0m", "Build"),
    ("the section_start:1 of a text\x07", "the section_start:1 of a text",
     "the section_start:1 of a text"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "coloured", "plain"), LINES, ids=[repr(row[0]) for row in LINES])
@pytest.mark.parametrize("beside", [(), ("calm",), ("\x1b[K",)], ids=["alone", "calm", "odd"])
def test_lines(line: str, coloured: str | None, plain: str | None, beside: tuple[str, ...]) -> None:
    for colour, expected in ((True, coloured), (False, plain)):
        others = list(shown_lines(beside, colour=colour))
        wanted = others if expected is None else [*others, expected]
        assert list(shown_lines((*beside, line), colour=colour)) == wanted


def test_nothing_but_colours_is_ever_let_through() -> None:
    every = "".join(map(chr, range(0xA0))).replace("\r", "")
    (shown,) = shown_lines((every + "\x1b[31mred\x1b[7",), colour=False)
    assert shown.replace("\t", "").isprintable()
