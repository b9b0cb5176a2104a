"""A second enrolment that names fewer registries, engine by engine."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from homeport.enroll.apply import Result, apply
from homeport.enroll.diff import summary_of
from homeport.enroll.engines.api import EngineKind
from homeport.enroll.engines.kinds import find_kind
from homeport.enroll.enrolment import plan_enrolment
from homeport.enroll.model import EnginePlan, Mirror, MirrorKind, Request
from homeport.enroll.probe import Probe
from homeport.enroll.recovery import resume
from homeport.enroll.undo import undo
from testbed.fake_docker import fake_docker
from testbed.machine import Machine

MIRROR = Mirror("https://mirror.corp:5443", "https://mirror.corp:5443", ca="PEM\n")
CONTAINERD = "/etc/containerd/config.toml"
CERTS = "/etc/containerd/certs.d"
BUILDKITD = "/etc/buildkit/buildkitd.toml"
K3S = "/etc/rancher/k3s/registries.yaml"
DROP_IN = "/etc/containers/registries.conf.d/99-homeport.conf"
BOTH = ("docker.io", "ghcr.io")


def ask(mirror: Mirror, env: Mapping[str, str], *, docker: bool) -> Probe:  # noqa: ARG001
    return Probe(replace(mirror, kind=MirrorKind.HOMEPORT), "1", True)


def plan_of(machine: Machine, kind: EngineKind, *registries: str) -> EnginePlan:
    request = Request(MIRROR, registries=registries, engines=(kind.name,))
    (plan,) = plan_enrolment(machine.host, request, kinds=[kind], ask=ask).plan.engines
    return plan


def enrolled(machine: Machine, kind: EngineKind, *registries: str) -> Sequence[Result]:
    request = Request(MIRROR, registries=registries, engines=(kind.name,))
    plan = plan_enrolment(machine.host, request, kinds=[kind], ask=ask).plan
    results = apply(machine.host, plan, find=lambda _: kind)
    assert all(result.ok for result in results), results
    assert plan_of(machine, kind, *registries).changes == ()
    return results


def answering(root: Path) -> Machine:
    machine = Machine(root, uid=0)
    machine.answer("containerd", "--version", says="containerd github.com/c/c 1.6.20 abc\n")
    machine.answer("podman", "--version", says="podman version 4.3.1\n")
    return machine


def visible(machine: Machine) -> "dict[str, object]":
    return {path: one for path, one in machine.files().items() if path[:4] != "/var"}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = answering(tmp_path / "m")
    machine.write(
        CONTAINERD,
        f'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "{CERTS}"\n',
    )
    machine.write(f"{CERTS}/_default/hosts.toml", '[host."https://mine"]\n')
    machine.write(BUILDKITD, 'debug = true\n\n[registry."ghcr.io"]\n  mirrors = ["old:1"]\n')
    machine.write(K3S, 'mirrors:\n  docker.io:\n    endpoint: ["https://old"]\n')
    return machine


def test_a_file_of_ours_goes_with_the_folder_that_was_made_for_it(machine: Machine) -> None:
    """An empty folder would keep containerd from the owner's `_default`."""
    kind, before = find_kind("containerd"), visible(machine)
    enrolled(machine, kind, *BOTH)
    removal = plan_of(machine, kind, "docker.io").changes
    assert [summary_of(change) for change in removal] == [
        f"remove {CERTS}/ghcr.io/hosts.toml (ours alone): ghcr.io is no longer asked for"
    ]
    enrolled(machine, kind, "docker.io")
    assert sorted(path.name for path in machine.at(CERTS).iterdir()) == [
        "_default",
        "docker.io",
        "homeport-ca.crt",
    ]
    # What its owner makes of that name later is his, and in no undo's way.
    machine.write(f"{CERTS}/ghcr.io/hosts.toml", '[host."https://mine"]\n')
    theirs = {path: one for path, one in machine.files().items() if "ghcr.io" in path}
    undo(machine.host)
    assert visible(machine) == {**before, **theirs}


def test_whenever_it_is_killed_it_is_put_back_or_done(machine: Machine, tmp_path: Path) -> None:
    """The disk as it was after each step, as if the power had failed then."""
    kind, before = find_kind("containerd"), visible(machine)
    enrolled(machine, kind, *BOTH)
    both = visible(machine)
    request = Request(MIRROR, registries=("docker.io",), engines=(kind.name,))
    plan = plan_enrolment(machine.host, request, kinds=[kind], ask=ask).plan
    roots: list[Path] = []

    def passed(_: str) -> None:
        roots.append(tmp_path / f"killed{len(roots)}")
        shutil.copytree(machine.root, roots[-1], symlinks=True)

    apply(machine.host, plan, find=lambda _: kind, passed=passed)
    ends = []
    for root in roots:
        machine = answering(root)
        resume(machine.host, find=lambda _: kind)
        ends.append(visible(machine))
        undo(machine.host, find=lambda _: kind)
        assert visible(machine) == before
    fewer = ends[-1]
    assert fewer != both
    assert ends == [both] * ends.index(fewer) + [fewer] * (len(ends) - ends.index(fewer))


def test_a_file_that_somebody_has_changed_stays_and_is_said(machine: Machine) -> None:
    kind = find_kind("containerd")
    enrolled(machine, kind, *BOTH)
    path = machine.at(f"{CERTS}/ghcr.io/hosts.toml")
    path.write_text(path.read_text() + "# and mine\n")
    plan = plan_of(machine, kind, "docker.io")
    assert plan.changes == ()
    (finding,) = [one for one in plan.findings if one.code == "left-over"]
    assert finding.place.startswith(f"{CERTS}/ghcr.io/hosts.toml")


@pytest.mark.parametrize(("name", "path"), [("buildkit", BUILDKITD), ("k3s", K3S)])
@pytest.mark.parametrize("kept", BOTH)
def test_keys_are_again_as_they_were(machine: Machine, name: str, path: str, kept: str) -> None:
    """As if the registry had never been named; and undo goes all the way."""
    kind, before = find_kind(name), visible(machine)
    if name == "k3s":
        machine.answer("k3s", "--version", says="k3s version v1.30.1+k3s1 (x)\n")
    enrolled(machine, kind, kept)
    alone = machine.at(path).read_text()
    undo(machine.host, find=lambda _: kind, allow_restart=True)
    enrolled(machine, kind, *BOTH)
    assert machine.at(path).read_text() != alone
    enrolled(machine, kind, kept)
    assert machine.at(path).read_text() == alone
    undo(machine.host, find=lambda _: kind, allow_restart=True)
    assert visible(machine) == before


def test_a_key_that_somebody_has_changed_stays_and_is_said(machine: Machine) -> None:
    kind = find_kind("buildkit")
    enrolled(machine, kind, *BOTH)
    file = machine.at(BUILDKITD)
    file.write_text(file.read_text().replace("old:1", "new:1"))
    plan = plan_of(machine, kind, "docker.io")
    assert plan.changes == ()
    (finding,) = [one for one in plan.findings if one.code == "left-over"]
    assert finding.place.startswith(BUILDKITD)


def test_the_drop_in_of_podman_names_what_is_asked_for(machine: Machine) -> None:
    kind = find_kind("podman")
    enrolled(machine, kind, *BOTH)
    enrolled(machine, kind, "docker.io")
    text = machine.at(DROP_IN).read_text()
    assert 'prefix = "docker.io"' in text
    assert "ghcr.io" not in text


def test_dockers_file_for_a_registry_goes_and_docker_hubs_mirror_stays(tmp_path: Path) -> None:
    machine, kind = Machine(tmp_path / "m", uid=0), find_kind("docker")
    machine.at("/etc/docker").mkdir(parents=True)
    path = "/etc/docker/certs.d/ghcr.io/hosts.toml"
    with fake_docker(machine) as daemon:
        daemon.be_process("-H", "fd://")
        daemon.info = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
        enrolled(machine, kind, *BOTH)
        assert machine.at(path).exists()
        enrolled(machine, kind, "docker.io")
        assert not machine.at(path).parent.exists()
        plan = plan_of(machine, kind, "ghcr.io")
        assert [change.path for change in plan.changes] == [path]
        assert "docker.io stays" in {one.code: one.message for one in plan.findings}["left-over"]
