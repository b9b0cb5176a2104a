"""Apply is whole or nothing, for each engine; undo gives back the bytes, the mode and the owner."""

import fcntl
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from homeport.enroll import carrying
from homeport.enroll.apply import DONE, PENDING, REFUSED, REVERTED, STUCK, UNCHANGED, apply
from homeport.enroll.errors import BrokenFileError, ConflictError, EnrollError, MachineError
from homeport.enroll.journal import Journal
from homeport.enroll.model import Effect, EnrollPlan, FileChange, FileState, Mode, Ownership
from homeport.enroll.undo import undo
from testbed.fake_kind import CA, CONFIG, FakeKind, finding, held
from testbed.killed import URL, plan
from testbed.machine import Machine

USERS = '{\n    "debug": true,\n    "registry-mirrors": ["https://old" ],\n    "labels": [ "a" ]\n}'


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.at("/etc").mkdir()
    made.at("/run").mkdir()
    return made


def bare(machine: Machine) -> dict[str, tuple[bytes, int, int, int]]:
    """All files but our own state and what the engine holds."""
    ours = ("/var/", "/run/", "/root/")
    return {path: state for path, state in machine.files().items() if not path.startswith(ours)}


def applied(machine: Machine, kind: FakeKind, url: str = URL) -> str:
    found = apply(machine.host, plan(machine, kind, url), find=finding(kind))
    return found[0].state


def test_a_file_of_the_user_keeps_all_but_our_key_and_comes_back_to_the_byte(
    machine: Machine,
) -> None:
    machine.write(CONFIG, USERS, mode=0o600)
    before = bare(machine)
    kind = FakeKind()
    assert applied(machine, kind) == DONE
    assert json.loads(machine.text(CONFIG))["registry-mirrors"] == [URL, "https://old"]
    assert machine.at(CONFIG).stat().st_mode & 0o777 == 0o600
    assert held(machine.host) == [URL, "https://old"]
    assert applied(machine, kind) == UNCHANGED
    (done,) = undo(machine.host, find=finding(kind))
    assert set(done.files) == {CONFIG, CA}
    assert bare(machine) == before
    assert held(machine.host) == ["https://old"]
    assert undo(machine.host, find=finding(kind)) == ()


def test_where_there_was_nothing_nothing_is_left(machine: Machine) -> None:
    before = bare(machine)
    kind = FakeKind()
    assert applied(machine, kind) == DONE
    assert machine.at(CA).exists()
    undo(machine.host, find=finding(kind))
    assert bare(machine) == before
    assert held(machine.host) == []


def test_the_state_is_readable_by_its_owner_alone(machine: Machine) -> None:
    machine.write(CONFIG, USERS)
    applied(machine, FakeKind())
    folder = machine.at(Journal(machine.host).path)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {place.name: place.stat().st_mode & 0o777 for place in folder.iterdir()} == {
        "lock": 0o600,
        "records.json": 0o600,
    }


@pytest.mark.parametrize("fault", ["refuse", "lie"])
def test_an_engine_that_refuses_has_its_files_back(machine: Machine, fault: str) -> None:
    machine.write(CONFIG, USERS)
    before = bare(machine)
    kind = FakeKind()
    setattr(kind, fault, True)
    (result,) = apply(machine.host, plan(machine, kind), find=finding(kind))
    assert result.state == REVERTED
    assert bare(machine) == before
    assert Journal(machine.host).records() == ()
    assert Journal(machine.host).under_way() is None
    assert held(machine.host) == (["https://old"] if fault == "lie" else [])
    if fault == "refuse":
        assert "no, and no" in result.findings[0].message


def test_a_full_disk_puts_back_what_was_written(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write(CONFIG, USERS)
    before = bare(machine)
    real = carrying.write_file

    def full(host: object, path: str, state: object) -> None:
        if path == CA:
            raise EnrollError(f"cannot write {path}: No space left on device")
        real(host, path, state)  # type: ignore[arg-type]

    monkeypatch.setattr(carrying, "write_file", full)
    kind = FakeKind()
    assert applied(machine, kind) == REVERTED
    assert bare(machine) == before


def test_no_room_for_the_journal_changes_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write(CONFIG, USERS)
    before = bare(machine)

    def full(*_: object) -> None:
        raise MachineError("No space left on device")

    monkeypatch.setattr(Journal, "_put", full)
    assert applied(machine, FakeKind()) == REFUSED
    assert bare(machine) == before


def test_a_file_that_was_changed_since_the_plan_is_not_touched(machine: Machine) -> None:
    machine.write(CONFIG, USERS)
    kind = FakeKind()
    made = plan(machine, kind)
    machine.write(CONFIG, USERS + "\n")
    with pytest.raises(ConflictError, match="changed after the plan") as caught:
        apply(machine.host, made, find=finding(kind))
    assert caught.value.place == f"{CONFIG}:1:1"
    assert machine.text(CONFIG) == USERS + "\n"


def test_two_at_once_are_refused_with_the_process_id(machine: Machine) -> None:
    kind = FakeKind()
    with Journal(machine.host).locked(), pytest.raises(ConflictError, match=str(os.getpid())):
        apply(machine.host, plan(machine, kind), find=finding(kind))
    lock = machine.at(Journal(machine.host).path) / "lock"
    with lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert applied(machine, kind) == DONE


def test_a_restart_is_left_to_its_owner_until_he_allows_it(machine: Machine) -> None:
    machine.write(CONFIG, USERS)
    kind = FakeKind(effect=Effect.RESTART)
    (result,) = apply(machine.host, plan(machine, kind), find=finding(kind))
    assert result.state == PENDING
    assert result.findings[0].hint == "systemctl restart fake"
    assert held(machine.host) == []
    assert applied(machine, kind) == PENDING
    made = plan(machine, kind)
    allowed = replace(made, request=replace(made.request, allow_restart=True))
    assert apply(machine.host, allowed, find=finding(kind))[0].state == DONE
    assert held(machine.host) == [URL, "https://old"]
    assert applied(machine, kind) == UNCHANGED
    (done,) = undo(machine.host, find=finding(kind))
    assert [item.code for item in done.findings] == ["restart-needed"]
    assert machine.text(CONFIG) == USERS


def test_another_mirror_later_still_goes_back_to_the_beginning(machine: Machine) -> None:
    machine.write(CONFIG, USERS)
    before = bare(machine)
    kind = FakeKind()
    applied(machine, kind)
    assert applied(machine, kind, "http://other:1") == DONE
    assert json.loads(machine.text(CONFIG))["registry-mirrors"][0] == "http://other:1"
    undo(machine.host, find=finding(kind))
    assert bare(machine) == before


def test_another_mirror_after_an_edit_keeps_the_edit(machine: Machine) -> None:
    machine.write(CONFIG, USERS)
    kind = FakeKind()
    applied(machine, kind)
    machine.write(CONFIG, machine.text(CONFIG).replace("true", "false"))
    applied(machine, kind, "http://other:1")
    undo(machine.host, find=finding(kind))
    assert machine.text(CONFIG) == USERS.replace("true", "false")


def test_drift_is_mended_and_undo_goes_back_to_what_drifted(machine: Machine) -> None:
    machine.write(CONFIG, USERS)
    kind = FakeKind()
    applied(machine, kind)
    other = '{"registry-mirrors": ["https://theirs"]}'
    machine.write(CONFIG, other)
    assert applied(machine, kind) == DONE
    undo(machine.host, find=finding(kind))
    assert machine.text(CONFIG) == other


def test_an_edit_of_other_keys_survives_undo(machine: Machine) -> None:
    machine.write(CONFIG, USERS)
    kind = FakeKind()
    applied(machine, kind)
    edited = machine.text(CONFIG).replace('[ "a" ]', '["b"], "new": 1')
    machine.write(CONFIG, edited, mode=0o640)
    undo(machine.host, find=finding(kind))
    assert machine.text(CONFIG) == USERS.replace('[ "a" ]', '["b"], "new": 1')
    assert machine.at(CONFIG).stat().st_mode & 0o777 == 0o640


def test_an_edit_of_our_key_refuses_undo_with_its_place_and_keep_leaves_it(
    machine: Machine,
) -> None:
    machine.write(CONFIG, USERS)
    kind = FakeKind()
    applied(machine, kind)
    machine.write(CONFIG, machine.text(CONFIG).replace("https://old", "https://newer"))
    before = bare(machine)
    with pytest.raises(ConflictError, match="registry-mirrors was changed") as caught:
        undo(machine.host, find=finding(kind))
    assert caught.value.place == f"{CONFIG}:3:1"
    assert f"--keep {CONFIG}" in caught.value.hint
    assert bare(machine) == before
    with pytest.raises(EnrollError, match="no file that homeport has changed"):
        undo(machine.host, keep=["/etc/passwd"], find=finding(kind))
    undo(machine.host, keep=[CONFIG], find=finding(kind))
    assert "https://newer" in machine.text(CONFIG)
    assert not machine.at(CA).exists()
    assert undo(machine.host, find=finding(kind)) == ()


def test_every_conflict_is_told_at_once_and_nothing_is_undone(machine: Machine) -> None:
    machine.write(CONFIG, USERS)
    kind = FakeKind()
    applied(machine, kind)
    machine.write(CA, "another")
    machine.write(CONFIG, "{broken")
    with pytest.raises(ConflictError) as caught:
        undo(machine.host, find=finding(kind))
    assert CA in str(caught.value)
    assert f"{CONFIG}:1:2" in str(caught.value)
    assert machine.text(CA) == "another"


def test_a_file_that_its_owner_removed_stays_away(machine: Machine) -> None:
    machine.write(CONFIG, USERS)
    kind = FakeKind()
    applied(machine, kind)
    machine.at(CONFIG).unlink()
    machine.at(CA).unlink()
    undo(machine.host, find=finding(kind))
    assert not machine.at(CONFIG).exists()
    assert not machine.at("/etc/fake/certs.d").exists()


def test_a_folder_with_something_of_somebody_else_stays(machine: Machine) -> None:
    kind = FakeKind()
    applied(machine, kind)
    machine.write("/etc/fake/theirs", "x")
    undo(machine.host, find=finding(kind))
    assert list(bare(machine)) == ["/etc/", "/etc/fake/", "/etc/fake/theirs"]


def test_an_engine_that_does_not_answer_gets_its_files_back_and_we_say_so(
    machine: Machine,
) -> None:
    machine.write(CONFIG, USERS)
    before = bare(machine)
    kind = FakeKind()
    applied(machine, kind)
    kind.refuse = True
    (done,) = undo(machine.host, find=finding(kind))
    assert [item.code for item in done.findings] == ["engine-holds-on"]
    assert bare(machine) == before


def test_a_broken_file_is_refused_before_there_is_a_plan(machine: Machine) -> None:
    machine.write(CONFIG, '{"a": 1, "a": 2}')
    with pytest.raises(BrokenFileError, match="comes twice"):
        plan(machine, FakeKind())


def test_one_engine_alone_is_undone_by_its_name(machine: Machine) -> None:
    kind = FakeKind()
    applied(machine, kind)
    assert undo(machine.host, engines=["docker"], find=finding(kind)) == ()
    assert len(undo(machine.host, engines=["fake"], find=finding(kind))) == 1


def test_two_engines_that_share_a_file_write_it_once(machine: Machine) -> None:
    machine.write(CONFIG, USERS)
    kind = FakeKind()
    made = plan(machine, kind)
    second = replace(made.engines[0], engine=replace(made.engines[0].engine, id="fake:2"))
    both = EnrollPlan(made.request, (made.engines[0], second))
    assert [one.state for one in apply(machine.host, both, find=finding(kind))] == [DONE, UNCHANGED]
    undo(machine.host, find=finding(kind))
    assert machine.text(CONFIG) == USERS


@pytest.mark.parametrize("theirs", ['{"debug": false}\n', '{"registry-mirrors": ["https://x"]}'])
def test_a_file_that_is_kept_does_not_keep_the_mirror_in_the_engine(
    machine: Machine, theirs: str
) -> None:
    """A configuration manager has replaced the file and reloaded: without the key, nothing is
    cleared by that."""
    machine.write(CONFIG, USERS)
    kind = FakeKind()
    applied(machine, kind)
    machine.write(CONFIG, theirs)
    (done,) = undo(machine.host, keep=[CONFIG], find=finding(kind))
    assert machine.text(CONFIG) == theirs
    assert CONFIG not in done.files
    assert held(machine.host) == json.loads(theirs).get("registry-mirrors", [])
    assert Journal(machine.host).records() == ()


def test_an_owner_who_has_put_his_file_back_has_not_cleared_the_engine(machine: Machine) -> None:
    machine.write(CONFIG, '{"debug": true}')
    kind = FakeKind()
    made = plan(machine, kind)
    (engine,) = made.engines
    alone = tuple(change for change in engine.changes if change.path == CONFIG)
    made = replace(made, engines=(replace(engine, changes=alone),))
    apply(machine.host, made, find=finding(kind))
    machine.write(CONFIG, '{"debug": true}')
    assert held(machine.host) != []
    undo(machine.host, find=finding(kind))
    assert held(machine.host) == []
    assert machine.text(CONFIG) == '{"debug": true}'


def test_what_is_asked_anew_is_remembered_also_where_no_file_changes(machine: Machine) -> None:
    machine.write(CONFIG, USERS)
    kind = FakeKind()
    applied(machine, kind)
    made = plan(machine, kind)
    asked = replace(made.request, registries=("docker.io", "ghcr.io"), mode=Mode.ONLY)
    (result,) = apply(machine.host, replace(made, request=asked), find=finding(kind))
    assert result.state == UNCHANGED
    (record,) = Journal(machine.host).records()
    assert record.request == asked
    undo(machine.host, find=finding(kind))
    assert machine.text(CONFIG) == USERS


def test_records_that_are_damaged_are_said_to_be(machine: Machine) -> None:
    kind = FakeKind()
    applied(machine, kind)
    place = machine.at(Journal(machine.host).path) / "records.json"
    for content in ("{", '{"version": 9}', '{"version": 1, "records": [{}]}'):
        place.write_text(content)
        with pytest.raises(EnrollError):
            undo(machine.host, find=finding(kind))


@pytest.mark.parametrize("fault", [KeyboardInterrupt, KeyError])
def test_an_interrupt_or_a_defect_puts_the_engine_back_at_once(
    machine: Machine, fault: type[BaseException]
) -> None:
    machine.write(CONFIG, USERS)
    before = bare(machine)
    kind = FakeKind()

    def passed(name: str) -> None:
        if name == "taken up" and machine.text(CONFIG) != USERS:
            raise fault

    with pytest.raises(fault):
        apply(machine.host, plan(machine, kind), find=finding(kind), passed=passed)
    assert bare(machine) == before
    assert held(machine.host) == ["https://old"]
    assert Journal(machine.host).under_way() is None
    assert Journal(machine.host).records() == ()


def test_no_engine_after_one_that_could_not_be_put_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write(CONFIG, USERS)
    kind = FakeKind()
    made = plan(machine, kind)
    other = FileChange(
        "/etc/other", None, FileState("x", 0o644, os.geteuid(), 0), Ownership.WHOLE, "why"
    )
    second = replace(
        made.engines[0], engine=replace(made.engines[0].engine, id="fake:2"), changes=(other,)
    )
    kind.refuse = True
    real = carrying.write_file

    def full(host: object, path: str, state: FileState) -> None:
        if state.content == USERS:
            raise EnrollError("No space left on device")
        real(host, path, state)  # type: ignore[arg-type]

    monkeypatch.setattr(carrying, "write_file", full)
    both = EnrollPlan(made.request, (made.engines[0], second))
    found = apply(machine.host, both, find=finding(kind))
    assert [one.state for one in found] == [STUCK, REFUSED]
    assert "not-reverted" in [one.code for one in found[0].findings]
    assert not machine.at("/etc/other").exists()
    monkeypatch.undo()
    kind.refuse = False
    (resumed,) = undo(machine.host, find=finding(kind))
    assert resumed.findings[0].code == "resumed"
    assert machine.text(CONFIG) == USERS
