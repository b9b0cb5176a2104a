"""Places are shared by pipelines: never more than there are, and nobody waits for ever."""

from homeport.pipeline.execute.slots import Ready, Slots
from homeport.pipeline.model.plan import JobPlan, Runs


def job(name: str, runs: Runs = Runs.SHELL, group: str | None = None) -> JobPlan:
    return JobPlan(name=name, stage="test", runs=runs, resource_group=group)


def test_who_gets_no_place_is_woken_when_one_is_free() -> None:
    woken: list[str] = []
    slots = Slots(1)
    assert slots.take(None, lambda: woken.append("first"))
    assert not slots.take(None, lambda: woken.append("second"))
    assert woken == []
    slots.give(None)
    assert woken == ["second"]
    assert slots.take(None, lambda: None)


def test_who_waits_twice_is_woken_once() -> None:
    woken: list[int] = []
    slots = Slots(1)

    def wake() -> None:
        woken.append(1)

    slots.take(None, wake)
    slots.take(None, wake)
    slots.take(None, wake)
    slots.give(None)
    assert woken == [1]


def test_a_resource_group_has_one_job_in_all_pipelines() -> None:
    slots = Slots(3)
    assert slots.take("deploy", lambda: None)
    assert not slots.take("deploy", lambda: None)
    assert slots.take("other", lambda: None)
    slots.give("deploy")
    assert slots.take("deploy", lambda: None)


def test_there_is_always_one_place() -> None:
    assert Slots(0).take(None, lambda: None)


def test_what_needs_no_place_goes_before_and_waits_for_none() -> None:
    slots = Slots(1)
    jobs = (job("a"), job("b"), job("c", Runs.DOWNSTREAM), job("d", Runs.NOWHERE))
    ready = Ready(jobs, slots, lambda: None)
    for number in (1, 0, 3, 2):
        ready.add(number)
    assert list(ready.take(lambda _number: True)) == [2, 3, 0]
    assert ready.any
    slots.give(None)
    assert list(ready.take(lambda _number: True)) == [1]
    assert not ready.any


def test_a_busy_group_does_not_hold_up_the_others() -> None:
    slots = Slots(2)
    assert slots.take("one", lambda: None)
    ready = Ready((job("a", group="one"), job("b")), slots, lambda: None)
    ready.add(0)
    ready.add(1)
    assert list(ready.take(lambda _number: True)) == [1]
    assert ready.any


def test_what_is_no_longer_pending_is_forgotten_and_takes_no_place() -> None:
    slots = Slots(1)
    ready = Ready((job("a"), job("b")), slots, lambda: None)
    ready.add(0)
    ready.add(1)
    assert list(ready.take(lambda number: number == 1)) == [1]
    assert not ready.any


def test_more_may_come_while_they_are_taken() -> None:
    ready = Ready((job("a"), job("b", Runs.NOWHERE)), Slots(1), lambda: None)
    ready.add(0)
    taken = []
    for number in ready.take(lambda _number: True):
        taken.append(number)
        if number == 0:
            ready.add(1)
    assert taken == [0, 1]
