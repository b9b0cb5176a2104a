"""Every kind of engine is looked at; nothing is changed by that, and nothing breaks."""

from pathlib import Path

import pytest

from homeport.enroll.apply import apply
from homeport.enroll.doctor.checks import examine
from homeport.enroll.model import Mirror, MirrorKind, Request
from homeport.enroll.plan import make_plan
from testbed.scenes import SCENES, scene

GONE = Request(Mirror("http://127.0.0.1:9", "http://127.0.0.1:9", MirrorKind.HOMEPORT))
BROKEN = "{[\x00\udcff"


@pytest.mark.parametrize("kind", SCENES)
def test_nothing_is_changed(kind: str, tmp_path: Path) -> None:
    machine = scene(kind, tmp_path)
    before = machine.files()
    report = examine(machine.host, GONE)
    assert machine.files() == before
    assert report.engines
    assert "mirror-unreachable" in {one.finding.code for one in report.diagnoses}


@pytest.mark.parametrize("kind", SCENES)
def test_a_broken_file_is_told_and_stops_nothing(kind: str, tmp_path: Path) -> None:
    machine = scene(kind, tmp_path)
    configs = [engine.config for engine in examine(machine.host).engines if engine.config]
    for path in configs:
        place = machine.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(BROKEN.encode("utf-8", "surrogateescape"))
    report = examine(machine.host, GONE)
    assert report.wrong
    files = [one for one in report.diagnoses if one.finding.place.rpartition("/")[0]]
    assert not configs or files


@pytest.mark.parametrize("kind", ["docker", "podman", "containerd", "gitlab-runner"])
def test_what_is_enrolled_has_not_drifted(kind: str, tmp_path: Path) -> None:
    machine = scene(kind, tmp_path)
    machine.answer("uname", "-m", says="x86_64\n")
    machine.answer("containerd", "--config", says="")
    machine.answer("ctr", says="")
    before = {one.finding.code for one in examine(machine.host, GONE, engines=(kind,)).diagnoses}
    assert "not-enrolled" in before
    plan = make_plan(machine.host, Request(GONE.mirror, engines=(kind,), allow_restart=True))
    assert all(result.ok for result in apply(machine.host, plan))
    after = {one.finding.code for one in examine(machine.host, GONE, engines=(kind,)).diagnoses}
    assert not {"not-enrolled", "drifted", "helper-image"} & after


def test_drift_has_its_file(tmp_path: Path) -> None:
    machine = scene("docker", tmp_path)
    plan = make_plan(machine.host, Request(GONE.mirror, engines=("docker",)))
    assert all(result.ok for result in apply(machine.host, plan))
    machine.write("/etc/docker/daemon.json", "{}")
    (found,) = [
        one.finding
        for one in examine(machine.host, GONE, engines=("docker",)).diagnoses
        if one.finding.code == "drifted"
    ]
    assert found.place == "/etc/docker/daemon.json"
    assert found.hint == "homeport enroll apply --mirror http://127.0.0.1:9 --engine docker"
