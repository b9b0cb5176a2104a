"""Places are shared by pipelines: never more than there are, and nobody waits for ever."""

import os
from pathlib import Path

from homeport.pipeline.execute.resource_groups import ResourceGroups
from homeport.pipeline.execute.slots import Group, Ready, Slots, Wait
from homeport.pipeline.model.plan import JobPlan, Plan, Runs

DEPLOY = Group(project="p", name="deploy")
PLACE = Wait()


def job(name: str, runs: Runs = Runs.SHELL, group: str | None = None) -> JobPlan:
    return JobPlan(name=name, stage="test", runs=runs, resource_group=group)


def ready_of(
    slots: Slots, *jobs: JobPlan, told: list[str] | None = None, above: tuple[str, ...] = ()
) -> Ready:
    plan = Plan(
        stages=("test",), jobs=jobs, root="/", sha="", ref="", project_path="g/p", project="p"
    )
    heard = [] if told is None else told
    return Ready(
        plan, slots, lambda: None, lambda number, words: heard.append(f"{number} {words}"),
        above=above,
    )  # fmt: skip


def taken(ready: Ready) -> list[int]:
    return [number for number, _never in ready.take(lambda _number: True)]


def test_who_gets_no_place_is_woken_when_one_is_free() -> None:
    woken: list[str] = []
    slots = Slots(1)
    assert slots.take("a", None, lambda: woken.append("first")) is None
    assert slots.take("b", None, lambda: woken.append("second")) == PLACE
    assert woken == []
    slots.give(None)
    assert woken == ["second"]
    assert slots.take("b", None, lambda: None) is None


def test_who_waits_twice_is_woken_once() -> None:
    woken: list[int] = []
    slots = Slots(1)

    def wake() -> None:
        woken.append(1)

    for name in ("a", "b", "c"):
        slots.take(name, None, wake)
    slots.give(None)
    assert woken == [1]


def test_a_resource_group_has_one_job_in_all_pipelines() -> None:
    slots = Slots(3)
    assert slots.take("a", DEPLOY, lambda: None) is None
    assert slots.take("b", DEPLOY, lambda: None) == Wait(holder="a", own="a")
    assert slots.take("c", Group(project="p", name="other"), lambda: None) is None
    slots.give(DEPLOY)
    assert slots.take("b", DEPLOY, lambda: None) is None


def test_a_group_is_its_projects() -> None:
    slots = Slots(2)
    assert slots.take("a", DEPLOY, lambda: None) is None
    assert slots.take("b", Group(project="q", name="deploy"), lambda: None) is None


def test_there_is_always_one_place() -> None:
    assert Slots(0).take("a", None, lambda: None) is None


def test_what_needs_no_place_goes_before_and_waits_for_none() -> None:
    slots = Slots(1)
    ready = ready_of(
        slots, job("a"), job("b"), job("c", Runs.DOWNSTREAM), job("d", Runs.NOWHERE, "deploy")
    )
    for number in (1, 0, 3, 2):
        ready.add(number)
    assert taken(ready) == [2, 3, 0]
    assert ready.any
    ready.give(0)
    assert taken(ready) == [1]
    assert not ready.any


def test_a_busy_group_does_not_hold_up_the_others() -> None:
    slots = Slots(2)
    assert slots.take("x", DEPLOY, lambda: None) is None
    told: list[str] = []
    ready = ready_of(slots, job("a", group="deploy"), job("b"), told=told)
    ready.add(0)
    ready.add(1)
    assert taken(ready) == [1]
    assert ready.any
    assert taken(ready) == []
    assert told == ["0 waits for the resource group deploy, which x has"]


def test_what_is_no_longer_pending_is_forgotten_and_takes_no_place() -> None:
    ready = ready_of(Slots(1), job("a"), job("b"))
    ready.add(0)
    ready.add(1)
    assert list(ready.take(lambda number: number == 1)) == [(1, None)]
    assert not ready.any


def test_a_trigger_job_has_its_group_and_no_place() -> None:
    slots = Slots(1)
    ready = ready_of(slots, job("t", Runs.DOWNSTREAM, "deploy"), job("a"), job("b"))
    for number in (0, 1):
        ready.add(number)
    assert taken(ready) == [0, 1]
    assert slots.take("x", DEPLOY, lambda: None, placed=False) == Wait(holder="t", own="t")
    ready.give(0)
    assert slots.take("x", DEPLOY, lambda: None, placed=False) is None
    ready.add(2)
    assert taken(ready) == []


def test_nobody_waits_for_a_trigger_job_that_waits_for_him() -> None:
    slots = Slots(1)
    assert slots.take("t", DEPLOY, lambda: None, placed=False) is None
    ready = ready_of(slots, job("t:a", group="deploy"), above=("t",))
    ready.add(0)
    ((number, never),) = ready.take(lambda _number: True)
    assert (number, never) == (0, "t has the resource group deploy until this job is over")


def test_a_group_is_held_against_other_runs(tmp_path: Path) -> None:
    buried: list[tuple[Path, str]] = []
    state = tmp_path / "key"

    def groups(run: str, root: str) -> ResourceGroups:
        return ResourceGroups(
            state, run=run, root=root, bury=lambda state, run: buried.append((state, run))
        )

    first = Slots(2, lambda: groups("one", "/somewhere"))
    second = Slots(2, lambda: groups("two", "/elsewhere"))
    assert first.take("a", DEPLOY, lambda: None) is None
    wait = Wait(holder="a of run one in /somewhere")
    assert second.take("b", DEPLOY, lambda: None) == wait
    assert second.take("b", Group(project="q", name="deploy"), lambda: None) is None
    first.give(DEPLOY)
    assert second.take("b", DEPLOY, lambda: None) is None
    assert buried == []


def test_what_a_killed_holder_left_is_buried(tmp_path: Path) -> None:
    buried: list[tuple[Path, str]] = []

    def bury(state: Path, run: str) -> None:
        buried.append((state, run))

    killed = ResourceGroups(tmp_path / "a", run="one", root="/", bury=bury)
    assert killed.take(DEPLOY, "job")
    os.close(killed._held[DEPLOY])  # as the system does
    after = ResourceGroups(tmp_path / "b", run="two", root="/", bury=bury)
    assert after.take(DEPLOY, "job")
    after.give(DEPLOY)
    assert ResourceGroups(tmp_path / "c", run="three", root="/", bury=bury).take(DEPLOY, "job")
    assert buried == [(tmp_path / "a", "one")]
