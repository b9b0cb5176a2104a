"""Ranges as RFC 9110 and registry clients have them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.mirror.pull.ranges import Span, UnsatisfiableError, is_current, parse_range


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=500-1499", (500, 1500)),
        ("bytes=500-", (500, 2048)),
        ("bytes=-500", (1548, 2048)),
        ("bytes=2000-5000", (2000, 2048)),
        ("bytes=0-0", (0, 1)),
        ("bytes=2047-", (2047, 2048)),
        ("bytes=-5000", (0, 2048)),
        ("bytes=0-", (0, 2048)),
        ("BYTES=1-2", (1, 3)),
        ("bytes= 1-2 ", (1, 3)),
        ("bytes=1-99999999999999999999999999999999", (1, 2048)),
    ],
)
def test_a_range_is_a_span(header: str, span: tuple[int, int]) -> None:
    assert parse_range(header, 2048) == Span(*span)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=0-1,5-6",
        "bytes=0-1,",
        "lines=0-1",
        "bytes=1",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=1_0-2_0",
        "bytes=\u0661-\u0662",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_the_whole_answers_what_is_no_single_range(header: str | None) -> None:
    assert parse_range(header, 2048) is None


@pytest.mark.parametrize(
    "header", ["bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0", "bytes=2048-2047"]
)
def test_inverted_and_beyond_the_end_are_not_satisfiable(header: str) -> None:
    with pytest.raises(UnsatisfiableError):
        parse_range(header, 2048)


def test_nothing_of_an_empty_blob_can_be_asked_for() -> None:
    with pytest.raises(UnsatisfiableError):
        parse_range("bytes=0-", 0)
    assert parse_range("bytes=-5", 0) is None


def test_content_range_names_the_last_byte() -> None:
    assert Span(500, 1500).content_range(2048) == "bytes 500-1499/2048"


@pytest.mark.parametrize(
    ("if_range", "holds"),
    [(None, True), ('"d"', True), (' "d" ', True), ('W/"d"', False), ("d", False),
     ("Sat, 01 Jan 2026 00:00:00 GMT", False)],
)  # fmt: skip
def test_if_range_wants_the_strong_tag(if_range: str | None, holds: bool) -> None:
    assert is_current(if_range, '"d"') is holds


@given(st.text(max_size=30), st.integers(0, 5000))
def test_any_text_is_a_span_inside_the_blob_or_nothing(text: str, size: int) -> None:
    for header in (text, f"bytes={text}"):
        try:
            span = parse_range(header, size)
        except UnsatisfiableError:
            continue
        assert span is None or 0 <= span.start < span.stop <= size
