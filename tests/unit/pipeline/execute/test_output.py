from pathlib import Path

import pytest

from homeport.lib.redact import Redactor
from homeport.pipeline.execute.output import Output
from homeport.pipeline.model.event import Event, JobNote, JobOutput


def shown(tmp_path: Path, *chunks: bytes, secrets: tuple[str, ...] = ()) -> tuple[list[str], bytes]:
    events: list[Event] = []
    output = Output("job", tmp_path / "log", Redactor(secrets), events.append, lambda: 1.5)
    for chunk in chunks:
        output.write(chunk)
    output.close()
    output.close()
    lines = [line for event in events if isinstance(event, JobOutput) for line in event.lines]
    assert all(event.time == 1.5 for event in events)
    return lines, (tmp_path / "log").read_bytes()


@pytest.mark.parametrize(
    ("chunks", "lines", "log"),
    [
        ([], [], b""),
        ([b"a\nb\n"], ["a", "b"], b"a\nb\n"),
        ([b"a", b"b", b"\n", b"c\nd"], ["ab", "c", "d"], b"ab\nc\nd\n"),
        ([b"\n\n"], ["", ""], b"\n\n"),
        ([b"a\r\nb\r", b"\n"], ["a", "b"], b"a\r\nb\r\n"),
        ([b"10%\r20%\r\n"], ["10%\r20%"], b"10%\r20%\r\n"),
        ([b"\xe2\x98", b"\x83\n"], ["\u2603"], b"\xe2\x98\x83\n"),
        ([b"\xff\n"], ["\ufffd"], b"\xff\n"),
    ],
)
def test_lines_and_log(tmp_path: Path, chunks: list[bytes], lines: list[str], log: bytes) -> None:
    assert shown(tmp_path, *chunks) == (lines, log)


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    lines, log = shown(tmp_path, *[b"x" * 10_000] * 20)
    assert "".join(lines) == "x" * 200_000
    assert max(map(len, lines)) <= 75_000
    assert log == b"x" * 200_000 + b"\n"


def test_secrets_are_hidden_everywhere(tmp_path: Path) -> None:
    events: list[Event] = []
    output = Output("job", tmp_path / "log", Redactor(["hunter22"]), events.append, lambda: 0.0)
    output.write(b"pw=hunt")
    output.write(b"er22\nhunt")
    output.note("cannot use hunter22", warning=True)
    output.close()
    assert events == [
        JobOutput(job="job", lines=("pw=[MASKED]",)),
        JobOutput(job="job", lines=("hunt",)),
        JobNote(job="job", message="cannot use [MASKED]", warning=True),
    ]
    assert (tmp_path / "log").read_text() == "pw=[MASKED]\nhunt\ncannot use [MASKED]\n"


def test_an_aside_waits_for_the_end_of_a_line_and_tears_no_secret(tmp_path: Path) -> None:
    events: list[Event] = []
    output = Output("job", tmp_path / "log", Redactor(["hunter22"]), events.append, lambda: 0.0)
    output.aside("[service:a] hunter22 first")
    output.write(b"open")
    output.aside("[service:a] second")
    output.write(b" line\nhunt")
    output.aside("[service:a] third")
    output.write(b"er22\n")
    output.close()
    assert events == [
        JobOutput(job="job", lines=("[service:a] [MASKED] first",)),
        JobOutput(job="job", lines=("open line",)),
        JobOutput(job="job", lines=("[service:a] second",)),
        JobOutput(job="job", lines=("[service:a] third",)),
        JobOutput(job="job", lines=("[MASKED]",)),
    ]
