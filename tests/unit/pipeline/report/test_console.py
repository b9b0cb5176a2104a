"""Lines on the console, as they come."""

import errno
import io
import os
import threading
import time
from collections.abc import Iterator

import pytest

from homeport.errors import MissingError
from homeport.pipeline.model.event import (
    Event,
    JobFinished,
    JobNote,
    JobOutput,
    JobRetried,
    JobStarted,
    RunFinished,
    RunStarted,
    Status,
)
from homeport.pipeline.report.console import Console


def started(*jobs: str) -> RunStarted:
    return RunStarted(run="7", at="", jobs=jobs, ref="main", sha="0123456789abcdef")


def finished(status: str = "success") -> RunFinished:
    return RunFinished(time=1.0, run="7", status=Status(status), at="")


def tell(*events: Event, colour: bool = False, quiet: bool = False, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with Console(stream, colour=colour, quiet=quiet) as console:
        for event in events:
            console(event)
    stream.seek(0)
    return stream.read()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


JOB = {"job": "test", "stage": "test"}
LINES: list[tuple[Event, str]] = [
    (JobStarted(**JOB, runs="shell"), "test  ─ started in the shell\n"),
    (JobStarted(**JOB, runs="shell", image="alpine"),
     "test  ─ started in the shell instead of its image alpine\n"),
    (JobStarted(**JOB, runs="container", image="alpine", attempt=2),
     "test  ─ started in a container of alpine, attempt 2\n"),
    (JobOutput(job="test", lines=("$ make", "", "\x1b[1mdone\x1b[0m")),
     "test  │ $ make\ntest  │ \ntest  │ done\n"),
    (JobOutput(job="test", lines=()), ""),
    (JobOutput(job="test", lines=("section_end:1700000000:x\r\x1b[0K",)), ""),
    (JobNote(job="test", message="pulling alpine"), "test  ─ pulling alpine\n"),
    (JobNote(job="test", message="two\nlines\x07", warning=True),
     "test  ─ warning: two\ntest  ─ lines\\x07\n"),
    (JobRetried(job="test", attempt=2, reason="exit status 1"),
     "test  ─ attempt 2 follows: exit status 1\n"),
    (JobFinished(**JOB, status=Status.SUCCESS, duration=64.0), "test  ─ success after 1m 04s\n"),
    (JobFinished(**JOB, status=Status.FAILED, allowed=True, duration=1.0, reason="exit status 1"),
     "test  ─ failed (allowed) after 1.0s: exit status 1\n"),
    (JobFinished(**JOB, status=Status.SKIPPED, reason="build failed"),
     "test  ─ skipped: build failed\n"),
    (JobFinished(**JOB, status=Status.MANUAL), ""),
    (JobOutput(job="unheard of", lines=("x",)), "unheard of │ x\n"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "text"), LINES, ids=[f"{n}-{type(row[0]).__name__}" for n, row in enumerate(LINES)]
)
def test_lines(event: Event, text: str) -> None:
    first = "Run 7: 2 jobs, main at 01234567\n"
    assert tell(started("test", "build"), event) == first + text


def test_colours_are_off_unless_wanted_and_never_run_on() -> None:
    events = (
        started("test"),
        JobStarted(**JOB, runs="shell"),
        JobOutput(job="test", lines=("\x1b[31mred", "next")),
        JobFinished(**JOB, status=Status.SUCCESS),
        finished(),
    )
    assert "\x1b" not in tell(*events)
    lines = tell(*events, colour=True).splitlines()
    assert lines[2].endswith(" \x1b[31mred\x1b[0m")
    assert lines[3].endswith("\x1b[0m next")


def test_hostile_names_cannot_reach_the_terminal() -> None:
    evil = "a\x1b]0;owned\x07\nb"
    text = tell(
        started(evil),
        JobStarted(job=evil, stage=evil, runs="container", image=evil),
        JobOutput(job=evil, lines=("fine",)),
        JobFinished(job=evil, stage=evil, status=Status.FAILED, reason=evil, log=evil),
        finished("failed"),
    )
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "a\\x1b]0;owned\\x07\\nb │ fine\n" in text


def test_quiet_leaves_the_summary() -> None:
    text = tell(
        started("test"),
        JobStarted(**JOB, runs="shell"),
        JobOutput(job="test", lines=("noise",)),
        JobFinished(**JOB, status=Status.SUCCESS),
        finished(),
        quiet=True,
    )
    assert text.splitlines()[0].startswith("Job")
    assert "noise" not in text


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("ascii", b"test | gr\\xf6\\xdfe \\udc80\n"), ("latin-1", b"test | gr\xf6\xdfe \\udc80\n")],
)
def test_what_an_encoding_lacks_is_spelt_out(encoding: str, expected: bytes) -> None:
    binary = io.BytesIO()
    with Console(io.TextIOWrapper(binary, encoding=encoding), colour=False) as console:
        console(started("test"))
        console(JobOutput(job="test", lines=("größe \udc80",)))
    assert binary.getvalue().endswith(expected)


def test_lines_of_many_threads_never_mix() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    names = tuple(f"job{n}" for n in range(12))
    with Console(stream, colour=False) as console:
        console(started(*names))

        def talk(name: str) -> None:
            for number in range(200):
                console(JobOutput(job=name, lines=(f"{name} {number} a", f"{name} {number} b")))

        threads = [threading.Thread(target=talk, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    stream.seek(0)
    told: dict[str, list[str]] = {}
    for line in stream.read().splitlines()[1:]:
        prefix, _, text = line.partition(" │ ")
        told.setdefault(prefix.strip(), []).append(text)
    assert set(told) == set(names)
    for name, lines in told.items():
        assert lines == [f"{name} {n} {letter}" for n in range(200) for letter in "ab"]


def test_output_appears_soon_though_nothing_follows() -> None:
    binary = io.BytesIO()
    with Console(io.TextIOWrapper(binary, encoding="utf-8"), colour=False) as console:
        console(started("test"))
        console(JobOutput(job="test", lines=("soon",)))
        deadline = time.monotonic() + 10
        while b"soon" not in binary.getvalue() and time.monotonic() < deadline:
            time.sleep(0.005)
        assert b"soon" in binary.getvalue()


def test_many_small_outputs_are_few_writes() -> None:
    class Counting(io.BytesIO):
        writes = 0

        def write(self, data: object) -> int:
            self.writes += 1
            return super().write(data)  # type: ignore[arg-type]

    binary = Counting()
    with Console(io.TextIOWrapper(binary, encoding="utf-8"), colour=False) as console:
        console(started("test"))
        for number in range(5000):
            console(JobOutput(job="test", lines=(str(number),)))
    assert binary.getvalue().count(b"\n") == 5001
    assert binary.writes < 500


def test_a_closed_console_still_tells() -> None:
    stream = io.StringIO()
    console = Console(stream, colour=False)
    console(started("test"))
    console.close()
    console(JobOutput(job="test", lines=("late",)))
    console.close()
    assert stream.getvalue().endswith("late\n")


def test_a_reader_that_went_away_is_borne() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as file, Console(file, colour=False) as console:
        console(started("test"))
        for _ in range(100):
            console(JobOutput(job="test", lines=("x",)))
        console(finished())


class Full(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, _data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_told() -> None:
    console = Console(Full(), colour=False)  # type: ignore[arg-type]
    with pytest.raises(MissingError, match="No space left"):
        console(started("test"))
    with pytest.raises(MissingError, match="No space left"):
        console.close()
