"""kill -9 after every step of apply and of undo: the engine could always start, and the next run
finishes or puts back."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.enroll.apply import apply
from homeport.enroll.formats.json_text import parse_object
from homeport.enroll.journal import Journal
from homeport.enroll.model import FileState
from homeport.enroll.recovery import is_torn, resume
from homeport.enroll.undo import undo
from testbed.fake_kind import CA, CONFIG, FakeKind, finding, held
from testbed.killed import URL, plan, run
from testbed.machine import Machine

USERS = '{\n  "debug": true, "registry-mirrors": [ "https://old" ]\n}\n'
STEPS = 30


def fresh(root: Path, content: str | None) -> Machine:
    if root.exists():
        shutil.rmtree(root)
    machine = Machine(root)
    for folder in ("/etc", "/run"):
        machine.at(folder).mkdir()
    if content is not None:
        machine.write(CONFIG, content, mode=0o640)
    return machine


def files(machine: Machine) -> dict[str, tuple[bytes, int, int, int]]:
    return {path: state for path, state in machine.files().items() if path.startswith("/etc/")}


def could_start(machine: Machine) -> None:
    if machine.at(CONFIG).exists():
        parse_object(machine.text(CONFIG), CONFIG)


def clean(machine: Machine) -> None:
    assert Journal(machine.host).under_way() is None
    assert not [place for place in machine.root.rglob("*") if "homeport-new" in place.name]


@pytest.mark.parametrize("content", [USERS, None], ids=["a file", "no file"])
@pytest.mark.parametrize("then", ["apply", "undo"])
def test_a_killed_apply_is_put_back_by_the_next_run(
    tmp_path: Path, content: str | None, then: str
) -> None:
    root = tmp_path / "root"
    seen = []
    for stop in range(1, STEPS):
        machine = fresh(root, content)
        before = files(machine)
        status, steps = run(machine, "apply", stop)
        could_start(machine)
        if status == 0:
            break
        seen.append(steps[-1])
        assert run(machine, then)[0] == 0
        if then == "apply":
            assert json.loads(machine.text(CONFIG))["registry-mirrors"][0] == URL
            assert held(machine.host)[0] == URL
            clean(machine)
            run(machine, "undo")
        assert files(machine) == before, seen[-1]
        assert URL not in held(machine.host), seen[-1]
        clean(machine)
    assert {"journal", f"write {CONFIG}", f"write {CA}", "taken up", "record", "end"} <= set(seen)


@pytest.mark.parametrize("content", [USERS, None], ids=["a file", "no file"])
@pytest.mark.parametrize("then", ["apply", "undo"])
def test_a_killed_undo_is_finished_by_the_next_run(
    tmp_path: Path, content: str | None, then: str
) -> None:
    root = tmp_path / "root"
    seen = []
    for stop in range(1, STEPS):
        machine = fresh(root, content)
        before = files(machine)
        run(machine, "apply")
        status, steps = run(machine, "undo", stop)
        could_start(machine)
        if status == 0:
            break
        seen.append(steps[-1])
        assert run(machine, then)[0] == 0
        if then == "apply":
            assert held(machine.host)[0] == URL
            run(machine, "undo")
        assert files(machine) == before, seen[-1]
        assert URL not in held(machine.host), seen[-1]
        clean(machine)
    assert {"journal", "clearing", "cleared", f"back {CONFIG}", "forgotten", "end"} <= set(seen)


@pytest.mark.parametrize("stop", range(3, 8))
def test_an_edit_after_the_kill_of_an_undo_survives(tmp_path: Path, stop: int) -> None:
    machine = fresh(tmp_path / "root", USERS)
    run(machine, "apply")
    run(machine, "undo", stop)
    machine.write(CONFIG, machine.text(CONFIG).replace("true", "false"), mode=0o640)
    run(machine, "undo")
    assert machine.text(CONFIG) == USERS.replace("true", "false")
    clean(machine)


@pytest.mark.parametrize("action", ["apply", "undo"])
def test_half_a_file_is_swept_away_also_where_it_need_not_be_written(
    tmp_path: Path, action: str
) -> None:
    """Killed before the rename: the file is as it was, and a copy of it lies beside it."""
    machine = fresh(tmp_path / "root", USERS)
    before = files(machine)
    if action == "undo":
        run(machine, "apply")
    stop = {"apply": 3, "undo": 4}[action]
    assert run(machine, action, stop)[0] != 0
    left = [
        machine.write(f"{Path(path).parent}/.{Path(path).name}.homeport-new", "secret")
        for path in (CONFIG, CA)
    ]
    run(machine, "undo")
    assert not [place for place in left if place.exists()]
    assert files(machine) == before
    clean(machine)


STEP = st.integers(1, 12)


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(["apply", "undo"]), st.booleans(), STEP, st.lists(STEP, max_size=3))
def test_a_recovery_that_is_killed_as_well_comes_to_the_same_end(
    first: str, there: bool, stop: int, stops: list[int]
) -> None:
    with tempfile.TemporaryDirectory(prefix="homeport-test-") as folder:
        machine = fresh(Path(folder, "root"), USERS if there else None)
        before = files(machine)
        if first == "undo":
            run(machine, "apply")
        run(machine, first, stop)
        for number, again in enumerate(stops):
            run(machine, ("undo", "apply")[number % 2], again)
            could_start(machine)
        run(machine, "undo")
        assert files(machine) == before
        assert URL not in held(machine.host)
        clean(machine)


def test_what_a_cut_write_in_place_leaves_is_known() -> None:
    def state(content: str) -> FileState:
        return FileState(content, 0o644, 0, 0)

    before, after = state("abcdef"), state("ABCDEFGHI")
    assert is_torn(state("ABCdef\0\0\0"), before, after)
    assert is_torn(state("abcdef\0\0\0"), before, after)
    assert is_torn(state("abcDEFGHI"), after, before)
    assert not is_torn(state("ABCdeX\0\0\0"), before, after)
    assert not is_torn(state("ABC"), before, after)


def test_a_killed_change_of_the_mirror_goes_back_to_the_one_before(tmp_path: Path) -> None:
    root = tmp_path / "root"
    seen = []
    for stop in range(1, STEPS):
        machine = fresh(root, USERS)
        before = files(machine)
        kind = FakeKind()
        apply(machine.host, plan(machine, kind, "http://other:1"), find=finding(kind))
        enrolled = files(machine)
        status, steps = run(machine, "apply", stop)
        could_start(machine)
        if status == 0:
            break
        seen.append(steps[-1])
        resume(machine.host, find=finding(kind))
        if steps[-1] not in ("record", "end"):
            assert files(machine) == enrolled, steps[-1]
            assert held(machine.host) == ["http://other:1", "https://old"], steps[-1]
        undo(machine.host, find=finding(kind))
        assert files(machine) == before, steps[-1]
        assert held(machine.host) == ["https://old"], steps[-1]
        clean(machine)
    assert {"journal", "taken up", "confirmed", "record"} <= set(seen)
