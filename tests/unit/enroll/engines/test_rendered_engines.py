"""Engines that cannot be installed for tests: what is found and planned, to the byte."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from homeport.enroll.apply import apply
from homeport.enroll.engines.api import EngineKind
from homeport.enroll.engines.kinds import find_kind
from homeport.enroll.errors import BrokenFileError, CannotPullError, EngineError, EnrollError
from homeport.enroll.host import Ran
from homeport.enroll.model import (
    Effect,
    Engine,
    EnginePlan,
    EnrollPlan,
    Mirror,
    MirrorKind,
    Mode,
    Request,
)
from homeport.enroll.undo import undo
from testbed.machine import Machine

GOLDEN = Path(__file__).parent / "golden"
URL = "https://mirror.corp:5443"
MIRROR = Mirror(URL, URL, MirrorKind.HOMEPORT, ca="PEM\n")
PLAIN = Mirror("http://mirror.corp:5080", "http://mirror.corp:5080", MirrorKind.HOMEPORT)
HARBOR = Mirror(URL, URL, MirrorKind.HARBOR, paths={"docker.io": "hub", "ghcr.io": "gh/proxy"})
REQUEST = Request(MIRROR, Mode.PREFER, ("docker.io", "ghcr.io"))
PARSERS = {"toml": tomllib.loads, "yaml": yaml.safe_load, "json": json.loads}

BUILDKITD = "/etc/buildkit/buildkitd.toml"
BUILDX = "/root/.docker/buildx"
K3S = "/etc/rancher/k3s/registries.yaml"
COLIMA = "/root/.colima/default/colima.yaml"
ORBSTACK = "/root/.orbstack/config/docker.json"
BUILDER = {"Name": "b", "Driver": "docker-container", "Nodes": [{"Name": "b0", "Files": None}]}

USERS: Mapping[str, tuple[str, str, str]] = {
    "buildkit": (
        BUILDKITD,
        "toml",
        'debug = true\n\n[registry."docker.io"]\n  mirrors = ["old:1"] # ours\n\n[worker.oci]\n',
    ),
    "k3s": (
        K3S,
        "yaml",
        """\
# ours
mirrors:
    docker.io:
        endpoint:
            - https://old  # slow
    "*":
        endpoint: [https://any]
configs: {}
""",
    ),
    "colima": (
        COLIMA,
        "yaml",
        (
            "# cores\ncpu: 2\n\nruntime: docker\n# EXAMPLE\n# docker:\n#   x: y\n"
            "docker: {}\nvm: qemu\n"
        ),
    ),
    "orbstack": (ORBSTACK, "json", '{\n\t"debug": true\n}\n'),
}


def machine_of(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "m", uid=0)


def plan_of(machine: Machine, kind: EngineKind, request: Request = REQUEST) -> EnginePlan:
    (engine,) = kind.detect(machine.host)
    return kind.plan(machine.host, engine, request)


def roundtrip(machine: Machine, kind: EngineKind, plan: EnginePlan, request: Request) -> None:
    """Apply, plan again, undo: nothing twice, and each byte as before."""
    before = machine.files()
    results = apply(machine.host, EnrollPlan(request, (plan,)), find=lambda _: kind)
    assert all(result.ok for result in results), results
    (engine,) = [one for one in kind.detect(machine.host) if one.id == plan.engine.id]
    assert kind.plan(machine.host, engine, request).changes == ()
    undo(machine.host, find=lambda _: kind, allow_restart=True)
    assert {path: one for path, one in machine.files().items() if path[:4] != "/var"} == before


@pytest.mark.parametrize("name", USERS)
def test_a_users_file(tmp_path: Path, name: str) -> None:
    machine, kind = machine_of(tmp_path), find_kind(name)
    path, form, text = USERS[name]
    machine.write(path, text, mode=0o600)
    plan = plan_of(machine, kind)
    change = plan.changes[-1]
    assert change.after is not None
    assert change.after.content == (GOLDEN / f"{name}.{form}").read_text()
    assert change.after.mode == 0o600
    PARSERS[form](change.after.content)
    assert plan.proven is False
    roundtrip(machine, kind, plan, REQUEST)


@pytest.mark.parametrize("name", ["k3s", "orbstack"])
def test_where_there_is_no_file(tmp_path: Path, name: str) -> None:
    machine, kind = machine_of(tmp_path), find_kind(name)
    path, form, _ = USERS[name]
    machine.at(path).parent.mkdir(parents=True)
    request = Request(PLAIN, Mode.ONLY, ("docker.io", "ghcr.io"))
    plan = plan_of(machine, kind, request)
    (change,) = plan.changes
    assert change.after is not None
    assert change.before is None
    assert change.after.content == (GOLDEN / f"{name}-new.{form}").read_text()
    PARSERS[form](change.after.content)
    assert any(limit.what == "keep to the mirror alone" for limit in plan.limits)
    roundtrip(machine, kind, plan, request)


@pytest.mark.parametrize("name", USERS)
def test_what_does_not_parse_is_found_and_refused(tmp_path: Path, name: str) -> None:
    machine, kind = machine_of(tmp_path), find_kind(name)
    path, _, _ = USERS[name]
    machine.write(path, "a: 1\na: 2\n{[")
    before = machine.files()
    with pytest.raises(BrokenFileError) as caught:
        plan_of(machine, kind)
    assert caught.value.place.startswith(f"{path}:")
    assert machine.files() == before


def test_the_paths_of_a_foreign_mirror(tmp_path: Path) -> None:
    machine = machine_of(tmp_path)
    machine.write(K3S, "")
    machine.write(BUILDKITD, "")
    request = Request(HARBOR, Mode.PREFER, ("docker.io", "ghcr.io", "quay.io"))
    plan = plan_of(machine, find_kind("k3s"), request)
    values = yaml.safe_load(plan.changes[0].after.content)  # type: ignore[union-attr]
    assert values["mirrors"]["ghcr.io"] == {"endpoint": [f"{URL}/v2/gh/proxy"]}
    assert [limit.what for limit in plan.limits] == ["use the mirror for quay.io"]
    plan = plan_of(machine, find_kind("buildkit"), request)
    found = tomllib.loads(plan.changes[0].after.content)  # type: ignore[union-attr]
    assert found["registry"]["docker.io"] == {"mirrors": ["mirror.corp:5443/hub"]}


def test_k3s_is_restarted_only_by_take_up(tmp_path: Path) -> None:
    machine, kind = machine_of(tmp_path), find_kind("k3s")
    machine.write("/etc/systemd/system/k3s-agent.service", "")
    machine.write("/run/k3s/containerd/containerd.sock", "")
    machine.write("/etc/rancher/k3s/config.yaml", "disable-default-registry-endpoint: true\n")
    machine.answer("k3s", "--version", says="k3s version v1.31.2+k3s1 (abc)\ngo version go1.22\n")
    plan = plan_of(machine, kind, Request(MIRROR, Mode.ONLY, ("docker.io",)))
    assert plan.engine.version == "1.31.2+k3s1"
    assert plan.effect is Effect.RESTART
    assert plan.command == ("systemctl", "restart", "k3s-agent")
    assert plan.limits == ()
    assert plan.command not in machine.calls
    machine.answer("systemctl", says=Ran(1, "", "masked"))
    with pytest.raises(EngineError, match="not restarted"):
        kind.take_up(machine.host, plan)
    machine.answer("systemctl")
    kind.take_up(machine.host, plan)
    assert machine.calls[-1] == plan.command


def test_rke2_and_a_rewrite(tmp_path: Path) -> None:
    machine, kind = machine_of(tmp_path), find_kind("k3s")
    machine.write(
        "/etc/rancher/rke2/registries.yaml", "mirrors: {docker.io: {rewrite: {'^a': b}}}\n"
    )
    plan = plan_of(machine, kind)
    assert plan.engine.title == "RKE2"
    assert [finding.code for finding in plan.findings] == ["rewrite"]
    machine.write(*[str(c.path) for c in plan.changes[:1]], "x")
    assert [found.code for found in kind.confirm(machine.host, plan)] == ["not-taken-up"] * 2


def test_builders_are_made_anew_by_their_owner(tmp_path: Path) -> None:
    machine, kind = machine_of(tmp_path), find_kind("buildkit")
    machine.write(f"{BUILDX}/instances/b", json.dumps(BUILDER))
    machine.write(f"{BUILDX}/instances/plain", json.dumps({**BUILDER, "Driver": "docker"}))
    machine.write(f"{BUILDX}/instances/far", json.dumps({**BUILDER, "Driver": "remote"}))
    machine.write(f"{BUILDX}/instances/odd", "[")
    machine.write(f"{BUILDX}/instances/x;y", json.dumps(BUILDER))
    plan = plan_of(machine, kind)
    assert [one["name"] for one in plan.engine.facts["builders"]] == ["b", "far"]
    assert [found.code for found in plan.engine.findings] == ["broken-file"]
    assert plan.effect is Effect.RECREATE
    codes = [found.code for found in plan.findings]
    assert codes == ["recreate-builder", "builder-elsewhere"]
    hint = plan.findings[0].hint
    assert f"--name b --driver docker-container --buildkitd-config {BUILDX}/buildkitd.de" in hint
    kind.take_up(machine.host, plan)
    assert not any(call[0] == "docker" for call in machine.calls)
    roundtrip(machine, kind, plan, REQUEST)
    (change,) = plan.changes[1:]
    assert change.after is not None
    nodes = [{"Name": "b0", "Files": {"buildkitd.toml": _base64(change.after.content)}}]
    machine.write(f"{BUILDX}/instances/b", json.dumps({**BUILDER, "Nodes": nodes}))
    assert [found.code for found in plan_of(machine, kind).findings] == ["builder-elsewhere"]


def test_minikube(tmp_path: Path) -> None:
    machine, kind = machine_of(tmp_path), find_kind("minikube")
    profiles = "/root/.minikube/profiles"
    machine.write(f"{profiles}/dev/config.json", json.dumps({"RegistryMirror": ["https://old"]}))
    machine.write(f"{profiles}/odd;x/config.json", "{}")
    plan = plan_of(machine, kind)
    assert [change.path for change in plan.changes] == ["/root/.minikube/certs/homeport-ca.pem"]
    assert plan.effect is Effect.RECREATE
    assert plan.findings[0].hint.endswith(f"minikube start -p dev --registry-mirror={URL}")
    assert [limit.what for limit in plan.limits] == ["use the mirror for ghcr.io"]
    roundtrip(machine, kind, plan, REQUEST)
    machine.write(f"{profiles}/dev/config.json", json.dumps({"RegistryMirror": [URL]}))
    assert plan_of(machine, kind).findings == ()
    machine.write(f"{profiles}/dev/config.json", "[")
    assert plan_of(machine, kind).findings[0].code == "broken-file"


def test_kind_clusters_are_found_and_told(tmp_path: Path) -> None:
    machine, kind = machine_of(tmp_path), find_kind("kind")
    assert list(kind.detect(machine.host)) == []
    machine.answer("kind", "--version", says="kind version 0.24.0\n")
    machine.answer("kind", "get", "clusters", says="dev\n")
    plan = plan_of(machine, kind)
    assert (plan.engine.id, plan.changes, plan.effect) == ("kind:dev", (), Effect.RECREATE)
    assert "--target kind" in plan.limits[-1].hint
    machine.answer("kind", "get", "clusters", says=Ran(1, "", "no docker"))
    assert list(kind.detect(machine.host)) == []


def test_colima(tmp_path: Path) -> None:
    machine, kind = machine_of(tmp_path), find_kind("colima")
    machine.write(COLIMA, "docker:\n")
    machine.write("/root/.colima/default/docker.sock", "")
    plan = plan_of(machine, kind, Request(PLAIN, Mode.ONLY))
    values = yaml.safe_load(plan.changes[0].after.content)  # type: ignore[union-attr]
    assert values["docker"]["insecure-registries"] == ["mirror.corp:5080"]
    assert plan.command == ("colima", "restart", "--profile", "default")
    assert plan.stops
    machine.write(COLIMA, "runtime: containerd\n")
    plan = plan_of(machine, kind)
    assert plan.changes == ()
    assert "containerd" in plan.limits[0].why


@pytest.mark.parametrize("name", ["colima", "orbstack"])
def test_no_path_for_docker(tmp_path: Path, name: str) -> None:
    machine, kind = machine_of(tmp_path), find_kind(name)
    path, _, text = USERS[name]
    machine.write(path, text)
    mirror = Mirror(f"{URL}/repository/hub", f"{URL}/repository/hub", MirrorKind.NEXUS)
    with pytest.raises(EnrollError, match="path"):
        plan_of(machine, kind, Request(mirror))


def test_a_mirror_of_this_machine_alone_is_warned_of(tmp_path: Path) -> None:
    machine = machine_of(tmp_path)
    url = "http://127.0.0.1:5000"
    for name in ("colima", "orbstack", "buildkit"):
        machine.write(USERS[name][0], USERS[name][2])
        plan = plan_of(machine, find_kind(name), Request(Mirror(url, url)))
        assert [found.code for found in plan.findings] == ["loopback"]


def test_machines_that_provision_themselves(tmp_path: Path) -> None:
    machine = machine_of(tmp_path)
    machine.at("/root/.rd").mkdir(parents=True)
    machine.write("/root/.lima/dev/lima.yaml", "")
    machine.write("/root/.lima/_config/lima.yaml", "")
    for name in ("rancher-desktop", "lima"):
        plan = plan_of(machine, find_kind(name))
        assert plan.changes == ()
        assert plan.limits[0].hint


@pytest.mark.parametrize("name", USERS)
def test_nothing_is_pulled_through_them(tmp_path: Path, name: str) -> None:
    kind = find_kind(name)
    with pytest.raises(CannotPullError):
        kind.pull(machine_of(tmp_path).host, Engine(name, name, name), "x")


@pytest.mark.parametrize("name", ["k3s", "colima", "orbstack", "buildkit"])
def test_what_is_enrolled(tmp_path: Path, name: str) -> None:
    machine, kind = machine_of(tmp_path), find_kind(name)
    machine.write(USERS[name][0], (GOLDEN / f"{name}.{USERS[name][1]}").read_text())
    (engine,) = kind.detect(machine.host)
    found: Mapping[str, Sequence[str]] = kind.enrolled(machine.host, engine)
    assert found["docker.io"][0] in (URL, "mirror.corp:5443")


def _base64(text: str) -> str:
    import base64

    return base64.b64encode(text.encode()).decode()
