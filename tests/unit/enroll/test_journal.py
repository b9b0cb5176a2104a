"""What is remembered survives a full disk, a kill at any moment, and says when it is damaged."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from homeport.enroll.errors import EnrollError, MachineError
from homeport.enroll.journal import Journal, Record, Step
from homeport.enroll.model import Effect, Engine
from homeport.enroll.undo import undo
from testbed.killed import request
from testbed.machine import Machine

FOLDER = "/var/lib/homeport-enroll"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "root", uid=0)
    for folder in ("/etc", "/run"):
        made.at(folder).mkdir()
    return made


def step(action: str) -> Step:
    engine = Engine(kind="fake", id="fake:1", title="Fake")
    return Step(action, Record(engine, request(), (), Effect.NOTHING))


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_step_that_cannot_be_written_leaves_the_one_before(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Of a revert on a full disk, the journal of the apply is all that leads back."""
    journal = Journal(machine.host)
    with journal.locked():
        journal.begin(step("apply"))

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        owner: Any = os if call == "fsync" else Path
        with monkeypatch.context() as patch:
            patch.setattr(owner, call, full)
            with pytest.raises(MachineError, match="No space left"):
                journal.begin(step("revert"))
        assert journal.under_way() == step("apply")


def test_at_no_moment_is_there_half_a_step(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at before each byte reaches the disk, as a kill would leave it."""
    journal = Journal(machine.host)
    seen = []
    real = os.fsync

    def look(descriptor: int) -> None:
        found = journal.under_way()
        seen.append(found.action if found else None)
        real(descriptor)

    with journal.locked():
        journal.begin(step("apply"))
        monkeypatch.setattr(os, "fsync", look)
        journal.begin(step("revert"))
    assert set(seen) == {"apply", "revert"}


@pytest.mark.parametrize("name", ["journal.json", "records.json"])
@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"version": 1, "rec'])
def test_what_is_damaged_is_named_and_kept(machine: Machine, name: str, damage: bytes) -> None:
    place = machine.write(f"{FOLDER}/{name}", damage)
    with pytest.raises(EnrollError, match=f"{FOLDER}/{name} is damaged") as caught:
        undo(machine.host)
    assert "undo them by hand" in caught.value.hint
    assert place.read_bytes() == damage


@pytest.mark.parametrize("name", ["journal.json", "records.json"])
def test_what_a_newer_homeport_has_written_is_left_to_it(machine: Machine, name: str) -> None:
    place = machine.write(f"{FOLDER}/{name}", json.dumps({"version": 2, "of": "tomorrow"}) + "\n")
    with pytest.raises(EnrollError, match="newer homeport") as caught:
        undo(machine.host)
    assert "that version" in caught.value.hint
    assert "tomorrow" in place.read_text()


def test_records_without_an_engine_are_damaged(machine: Machine) -> None:
    machine.write(f"{FOLDER}/records.json", '{"version": 1, "records": [{"engine": 1}]}')
    with pytest.raises(EnrollError, match=f"{FOLDER}/records.json is damaged"):
        Journal(machine.host).records()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
@pytest.mark.parametrize(
    "open_it", [lambda place: place.chmod(0o777), lambda place: os.chown(place, 1234, 1234)]
)
@pytest.mark.parametrize("folder", [FOLDER, "/var/lib"])
def test_a_state_folder_that_others_may_write_is_not_believed(
    machine: Machine, folder: str, open_it: Callable[[Path], None]
) -> None:
    """Its records say which files root writes."""
    machine.at(FOLDER).mkdir(parents=True)
    open_it(machine.at(folder))
    match = f"{folder} may be changed by others"
    with pytest.raises(EnrollError, match=match), Journal(machine.host).locked():
        pass


def test_a_full_disk_is_told_in_words_and_not_by_the_lock(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(os, "fsync", full)
    journal = Journal(machine.host)
    with journal.locked(), pytest.raises(MachineError, match="No space left"):
        journal.begin(step("apply"))


def test_nobody_else_reads_the_state(machine: Machine) -> None:
    machine.at(FOLDER).mkdir(parents=True, mode=0o755)
    old = os.umask(0)
    try:
        journal = Journal(machine.host)
        with journal.locked():
            journal.begin(step("apply"))
            journal.keep(step("apply").record)
    finally:
        os.umask(old)
    found = [machine.at(FOLDER), *machine.at(FOLDER).iterdir()]
    assert len(found) == 4
    assert not [place for place in found if place.stat().st_mode & 0o077]
