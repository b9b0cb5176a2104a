"""The breaker, by a clock of the test's own."""

from homeport.mirror.upstream.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_opens_for_its_time_and_then_lets_one_try() -> None:
    clock = Clock()
    breaker = Breaker(15.0, clock=clock)
    assert not breaker.refuses(None)
    breaker.fail("refused", timed_out=False)
    assert breaker.refuses(None)
    assert breaker.refuses(1.5)
    assert breaker.open_until == 115.0
    clock.now = 115.5
    assert not breaker.refuses(None, look=True)
    assert not breaker.refuses(None)
    assert breaker.refuses(None)  # one is trying
    breaker.fail("refused", timed_out=False)
    assert breaker.open_until == 130.5
    clock.now = 131.0
    assert not breaker.refuses(None)
    breaker.succeed()
    assert not breaker.is_open
    assert not breaker.refuses(None)


def test_one_who_tried_and_left_makes_room() -> None:
    clock = Clock()
    breaker = Breaker(15.0, clock=clock)
    breaker.fail("refused", timed_out=False)
    clock.now = 116.0
    assert not breaker.refuses(None)
    breaker.settle()
    assert not breaker.refuses(None)


def test_short_deadline_that_ran_out_concerns_short_deadlines() -> None:
    clock = Clock()
    breaker = Breaker(15.0, clock=clock)
    breaker.fail("slow", timed_out=True, limit=1.5)
    assert breaker.refuses(1.5)
    assert breaker.refuses(0.5)
    assert not breaker.refuses(5.0)
    assert not breaker.refuses(None)
    breaker.succeed(took=3.0)
    assert breaker.refuses(1.5)
    breaker.succeed(took=0.2)
    assert not breaker.refuses(1.5)


def test_full_failure_is_not_made_smaller() -> None:
    breaker = Breaker(15.0, clock=Clock())
    breaker.fail("slow", timed_out=True, limit=1.5)
    breaker.fail("dead", timed_out=True)
    assert breaker.refuses(None)
    breaker.fail("slow", timed_out=True, limit=1.5)
    assert breaker.refuses(None)


def test_probe_closes_at_once_only_what_was_out_of_reach() -> None:
    breaker = Breaker(15.0, clock=Clock())
    breaker.fail("refused", timed_out=False)
    assert breaker.answer()
    breaker.fail("silent", timed_out=True)
    assert not breaker.answer()
    assert breaker.refuses(None)
