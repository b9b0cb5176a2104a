"""An engine's package is installed anew after enrolment: dpkg puts its default file in the place of
the one that we have changed (`--force-confnew`), or beside it (`.dpkg-dist`)."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from homeport.enroll.apply import apply
from homeport.enroll.doctor.checks import examine
from homeport.enroll.journal import Journal
from homeport.enroll.model import Mirror, MirrorKind, Request
from homeport.enroll.plan import make_plan
from homeport.enroll.status import DRIFTED, ENROLLED, Status, status
from homeport.enroll.undo import undo
from testbed.machine import Machine
from testbed.scenes import scene

MIRROR = Mirror("http://127.0.0.1:9", "http://127.0.0.1:9", MirrorKind.HOMEPORT)
DEFAULTS: Mapping[str, tuple[str, str]] = {
    "docker": ("/etc/docker/daemon.json", '{"log-level": "info"}\n'),
    "containerd": ("/etc/containerd/config.toml", "version = 2\n"),
}
BESIDE = (".dpkg-dist", ".dpkg-new", ".dpkg-old", ".ucf-dist")


def enrolled(kind: str, tmp_path: Path) -> Machine:
    machine = scene(kind, tmp_path)
    machine.answer("containerd", "--config", says="")
    machine.answer("ctr", says="")
    request = Request(MIRROR, engines=(kind,), allow_restart=True)
    results = apply(machine.host, make_plan(machine.host, request))
    assert all(result.ok for result in results), results
    return machine


def state_of(machine: Machine) -> Status:
    ((found,), _) = status(machine.host)
    return found


def codes(machine: Machine, kind: str) -> set[str]:
    request = Request(MIRROR, engines=(kind,))
    return {one.finding.code for one in examine(machine.host, request, engines=(kind,)).diagnoses}


@pytest.mark.parametrize("kind", DEFAULTS)
def test_a_default_in_the_place_of_ours_is_drift(kind: str, tmp_path: Path) -> None:
    machine = enrolled(kind, tmp_path)
    path, default = DEFAULTS[kind]
    ours = machine.at(path).read_text()
    machine.write(path, default)
    found = state_of(machine)
    assert found.state == DRIFTED
    assert [change.path for change in found.drift] == [path]
    assert "drifted" in codes(machine, kind)
    request = Request(MIRROR, engines=(kind,), allow_restart=True)
    assert all(result.ok for result in apply(machine.host, make_plan(machine.host, request)))
    assert state_of(machine).state == ENROLLED
    assert machine.at(path).read_text() != ours  # the default's own settings, and the mirror
    undo(machine.host, allow_restart=True)
    assert machine.at(path).read_text() == default


@pytest.mark.parametrize("kind", DEFAULTS)
def test_undo_leaves_a_default_that_has_nothing_of_ours(kind: str, tmp_path: Path) -> None:
    machine = enrolled(kind, tmp_path)
    path, default = DEFAULTS[kind]
    machine.write(path, default)
    undo(machine.host, allow_restart=True)
    assert machine.at(path).read_text() == default


@pytest.mark.parametrize("kind", [*DEFAULTS, "podman"])
def test_a_default_beside_ours_changes_nothing(kind: str, tmp_path: Path) -> None:
    machine = enrolled(kind, tmp_path)
    before = codes(machine, kind)
    (record,) = Journal(machine.host).records()
    ours = [change.path for change in record.changes]
    for path in ours:
        for suffix in BESIDE:
            machine.write(f"{path}{suffix}", "[[registry]]\nprefix = 'docker.io'\nblocked = true\n")
    found = state_of(machine)
    assert (found.state, found.drift) == (ENROLLED, ())
    assert codes(machine, kind) == before
    undo(machine.host, allow_restart=True)
    for path in ours:
        assert all(machine.at(f"{path}{suffix}").exists() for suffix in BESIDE)
