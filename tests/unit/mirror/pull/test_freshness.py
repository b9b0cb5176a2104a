"""Lifetimes, pauses and words: pure."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.mirror.model.names import Repository
from homeport.mirror.pull.freshness import (
    LONGEST_RETRY_AFTER,
    MAX_TROUBLES,
    Troubles,
    age,
    describe,
    fresh_for,
    moment,
    warning,
    without_frames,
)
from homeport.mirror.pull.negative import Negatives
from homeport.remote.errors import (
    BusyError,
    FailedError,
    NotFoundError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)

REFUSED = UnreachableError("refused")
NGINX = Repository("docker.io", "library/nginx")


@pytest.mark.parametrize(
    ("checked", "ttl", "now", "left"),
    [
        (100.0, 10.0, 100.0, 10.0),
        (100.0, 10.0, 109.0, 1.0),
        (100.0, 10.0, 111.0, -1.0),
        (100.0, 0.0, 100.0, 0.0),
        (130.0, 10.0, 100.0, 10.0),  # a little ahead: another machine's clock
        (161.0, 10.0, 100.0, -math.inf),  # set back
    ],
)
def test_how_long_a_tag_is_fresh(checked: float, ttl: float, now: float, left: float) -> None:
    assert fresh_for(checked=checked, ttl=ttl, now=now) == left


def test_an_age_is_never_negative() -> None:
    assert (age(100.0, 190.9), age(200.0, 190.0)) == (90, 0)


@given(st.text())
def test_a_warning_is_one_line_of_safe_ascii(text: str) -> None:
    header = warning(text)
    assert header.startswith('299 - "')
    assert header.endswith('"')
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert "\\" not in header
    assert len(header) < 4096


@given(st.floats())
def test_any_time_can_be_said(at: float) -> None:
    assert moment(at)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FailedError("secret", status=503), "the upstream answered 503"),
        (TimedOutError("secret"), "the upstream did not answer in time"),
        (UnreachableError("secret"), "the upstream cannot be reached"),
        (NotFoundError("secret"), "the upstream no longer has it"),
        (RemoteError("secret"), "the upstream failed"),
    ],
)
def test_words_for_headers_repeat_nothing_of_the_upstream(error: RemoteError, words: str) -> None:
    assert describe(error) == words


def test_pauses_double_up_to_the_longest() -> None:
    troubles, now, pauses = Troubles(), 0.0, []
    for _ in range(7):
        troubles.note("x", REFUSED, now=now, longest=15.0)
        trouble = troubles.of("x")
        assert trouble is not None
        pauses.append(trouble.retry_at - now)
        now = trouble.retry_at
    assert pauses == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    troubles.clear("x")
    assert troubles.of("x") is None


def test_failures_that_were_under_way_together_count_as_one() -> None:
    troubles = Troubles()
    for _ in range(50):
        troubles.note("x", REFUSED, now=0.5, longest=15.0)
    trouble = troubles.of("x")
    assert trouble is not None
    assert trouble.retry_at == 1.5


def test_retry_after_is_not_shortened_by_other_failures_and_is_bounded() -> None:
    troubles = Troubles()
    troubles.note("x", BusyError("slow down", retry_after=100.0), now=0.0, longest=15.0)
    troubles.note("x", REFUSED, now=1.0, longest=15.0)
    trouble = troubles.of("x")
    assert trouble is not None
    assert trouble.retry_at == 100.0
    troubles.note("y", BusyError("never again", retry_after=math.inf), now=0.0, longest=15.0)
    trouble = troubles.of("y")
    assert trouble is not None
    assert trouble.retry_at == LONGEST_RETRY_AFTER


@pytest.mark.parametrize("retry_after", [-5.0, math.nan, 0.0, None])
def test_a_strange_retry_after_is_the_usual_pause(retry_after: float | None) -> None:
    troubles = Troubles()
    troubles.note("x", BusyError("slow down", retry_after=retry_after), now=0.0, longest=15.0)
    trouble = troubles.of("x")
    assert trouble is not None
    assert trouble.retry_at == 1.0


def test_the_trouble_that_lasts_longest_counts() -> None:
    troubles = Troubles()
    troubles.note("upstream", REFUSED, now=0.0, longest=15.0)
    troubles.settle("tag", NotFoundError("gone"), now=0.0, seconds=60.0)
    worst = troubles.worst("tag", "upstream", "nobody")
    assert worst is not None
    assert (worst.retry_at, type(worst.error)) == (60.0, NotFoundError)
    assert troubles.worst("nobody") is None


def test_troubles_are_bounded() -> None:
    troubles = Troubles()
    for number in range(MAX_TROUBLES + 10):
        troubles.note(number, REFUSED, now=0.0, longest=15.0)
    assert len(troubles._known) == MAX_TROUBLES
    assert troubles.of(0) is None
    assert troubles.of(MAX_TROUBLES + 9) is not None


def test_what_is_missing_is_bounded_and_forgotten_in_time() -> None:
    negatives = Negatives(limit=3)
    for number in range(5):
        negatives.note(NGINX, str(number), NotFoundError("none", status=404), until=10.0)
    assert len(negatives) == 3
    assert negatives.of(NGINX, "1", 0.0) is None
    found = negatives.of(NGINX, "4", 9.9)
    assert found is not None
    assert found.status == 404
    assert negatives.of(Repository("docker.io", "library/redis"), "4", 0.0) is None
    assert negatives.of(NGINX, "4", 10.0) is None
    assert len(negatives) == 2


def test_kept_errors_keep_no_frames() -> None:
    try:
        raise BusyError("slow down", host="h", detail="d", retry_after=3.0)
    except BusyError as error:
        kept = without_frames(error)
    assert isinstance(kept, BusyError)
    assert kept.__traceback__ is None
    assert (str(kept), kept.host, kept.status, kept.detail, kept.retry_after) == (
        "slow down",
        "h",
        429,
        "d",
        3.0,
    )
