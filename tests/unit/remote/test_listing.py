"""Link headers, and how long they may take."""

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from multidict import CIMultiDict

from homeport.remote.listing import next_query


def query_of(*lines: str) -> dict[str, str] | None:
    headers = CIMultiDict([("Link", line) for line in lines])
    return next_query(cast("Any", SimpleNamespace(headers=headers)))


@pytest.mark.parametrize(
    "line",
    [
        '</v2/x/tags/list?last=b&n=2>; rel="next"',
        "<https://h/v2/x/tags/list?last=b&n=2>; rel=next",
        '<?last=b&n=2>;title="a, b; c";REL="prev NEXT"',
        '</first?a=1>; rel="first", </v2/x?last=b&n=2>; rel="next"',
    ],
)
def test_next(line: str) -> None:
    assert query_of(line) == {"last": "b", "n": "2"}


@pytest.mark.parametrize(
    "line",
    [
        "",
        '</x?last=b>; rel="prev"',
        '</x?last=b>; title="rel=next"',
        '</x?last=b>; rel="nextish"',
        '</x>; rel="next"',
        '</x?last=b; rel="next"',
        "</x?" + "a=1&" * 100 + '>; rel="next"',
        "</x?last=" + "b" * 2000 + '>; rel="next"',
        '</x?last=b>; rel="next"' + " " * 9000,
    ],
)
def test_no_next(line: str) -> None:
    assert query_of(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "</x?a=b>; rel=" + " " * 8000 + "nex",
        "</x?a=b>" + "; rel" * 1600,
        "<" * 8000,
        "</x?a=b>" + ';"' * 4000,
        "</x?a=b>; rel=" + '"' * 8001,
    ],
)
def test_hostile_header_takes_no_time(line: str) -> None:
    began = time.perf_counter()
    assert query_of(*[line] * 10) is None
    assert time.perf_counter() - began < 0.5
