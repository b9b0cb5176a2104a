"""Writing to pipes of every kind of badness."""

import errno
import io
import os
import threading

import pytest

from homeport.errors import MissingError
from homeport.pipeline.report.stream import Stream


@pytest.mark.parametrize("blocking", [True, False])
def test_all_of_it_arrives_through_a_pipe(blocking: bool) -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, blocking)
    data = os.urandom(1_000_000)
    got = bytearray()

    def read() -> None:
        while chunk := os.read(read_end, 65536):
            got.extend(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(write_end, "w") as file:
        Stream(file).write(data)
    reader.join()
    os.close(read_end)
    assert bytes(got) == data


def test_a_reader_that_went_away_is_borne() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as file:
        stream = Stream(file)
        stream.write(b"one\n")
        stream.write(b"two\n")
        stream.check()


def test_what_others_printed_comes_first() -> None:
    binary = io.BytesIO()
    text = io.TextIOWrapper(binary, encoding="utf-8")
    text.write("first\n")
    Stream(text).write(b"second\n")
    assert binary.getvalue() == b"first\nsecond\n"


def test_a_text_stream_without_bytes_beneath_will_do() -> None:
    text = io.StringIO()
    Stream(text).write("größe\n".encode())
    assert text.getvalue() == "größe\n"


class Refusing(io.RawIOBase):
    def __init__(self, number: int) -> None:
        self.number = number
        self.calls = 0

    def writable(self) -> bool:
        return True

    def write(self, _data: object) -> int:
        self.calls += 1
        raise OSError(self.number, os.strerror(self.number))


def test_a_full_disk_is_told_every_time_and_tried_once() -> None:
    raw = Refusing(errno.ENOSPC)
    stream = Stream(raw)
    for _ in range(2):
        with pytest.raises(MissingError, match="No space left on device"):
            stream.write(b"x")
    assert raw.calls == 1


def test_a_terminal_that_hung_up_is_borne() -> None:
    raw = Refusing(errno.EIO)
    stream = Stream(raw)
    stream.write(b"x")
    stream.write(b"y")
    assert raw.calls == 1
