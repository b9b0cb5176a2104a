"""A machine for each kind of engine, on which it finds one; files are as their owners have them."""

from collections.abc import Callable
from pathlib import Path

from testbed.machine import Machine

DAEMON_JSON = '{\n    "debug": true,\n    "labels": ["a=b"]\n}\n'
CONTAINERD = """version = 2
# kept
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "pause"
"""
K3S = """# kept
mirrors:
  quay.io:
    endpoint:
    - https://old
"""
REGISTRIES = 'unqualified-search-registries = ["docker.io"]\n'
RUNNER = """concurrent = 2
check_interval = 0

[[runners]]
  name = "one"
  url = "https://gitlab.corp"
  token = "glrt-secret"
  executor = "docker"
  [runners.docker]
    image = "alpine"
    privileged = true
    volumes = ["/cache"]
"""
COLIMA = """# colima's own words
cpu: 2
disk: 60
docker: {}
runtime: docker
"""


def _docker(machine: Machine) -> None:
    machine.write("/etc/docker/daemon.json", DAEMON_JSON, mode=0o640)


def _containerd(machine: Machine) -> None:
    machine.answer("containerd", "--version", says="containerd github.com/x v1.6.20 abc\n")
    machine.write("/run/containerd/containerd.sock", "")
    machine.write("/etc/containerd/config.toml", CONTAINERD)


def _containers(machine: Machine) -> None:
    machine.at("/etc/containers/registries.conf.d").mkdir(parents=True)
    machine.write("/etc/containers/registries.conf", REGISTRIES)


def _client(name: str, version: str) -> Callable[[Machine], None]:
    def scene(machine: Machine) -> None:
        _containers(machine)
        machine.answer(name, "--version", says=f"{name} version {version}\n")

    return scene


def _buildkit(machine: Machine) -> None:
    machine.answer("buildkitd", "--version", says="buildkitd github.com/moby/buildkit v0.13.0 x\n")
    machine.write("/etc/buildkit/buildkitd.toml", "debug = true # kept\n")


def _k3s(machine: Machine) -> None:
    machine.answer("k3s", "--version", says="k3s version v1.30.0+k3s1 (abc)\n")
    machine.write("/etc/rancher/k3s/registries.yaml", K3S)


def _kind(machine: Machine) -> None:
    machine.answer("kind", "version", says="kind v0.23.0 go1.22 linux/amd64\n")
    machine.answer("kind", "--version", says="kind version 0.23.0\n")
    machine.answer("kind", "get", "clusters", says="one\ntwo\n")


def _minikube(machine: Machine) -> None:
    machine.answer("minikube", "version", says="minikube version: v1.33.0\ncommit: x\n")
    profile = '{"Name": "minikube", "Driver": "docker"}'
    machine.write("/root/.minikube/profiles/minikube/config.json", profile)


def _colima(machine: Machine) -> None:
    machine.answer("colima", "version", says="colima version 0.6.9\n")
    machine.write("/root/.colima/default/colima.yaml", COLIMA)


def _orbstack(machine: Machine) -> None:
    machine.write("/root/.orbstack/config/docker.json", DAEMON_JSON)


def _rancher(machine: Machine) -> None:
    machine.at("/root/.rd").mkdir(parents=True)
    machine.write("/root/.local/share/rancher-desktop/lima/0/lima.yaml", "arch: x86_64\n")


def _lima(machine: Machine) -> None:
    machine.write("/root/.lima/default/lima.yaml", "arch: x86_64\n")


def _runner(machine: Machine) -> None:
    machine.answer("gitlab-runner", "--version", says="Version:      17.0.0\n")
    machine.write("/etc/gitlab-runner/config.toml", RUNNER, mode=0o600)


SCENES: dict[str, Callable[[Machine], None]] = {
    "docker": _docker,
    "containerd": _containerd,
    "podman": _client("podman", "4.3.1"),
    "buildah": _client("buildah", "1.28.2"),
    "skopeo": _client("skopeo", "1.9.3"),
    "crio": _client("crio", "1.26.0"),
    "buildkit": _buildkit,
    "k3s": _k3s,
    "kind": _kind,
    "minikube": _minikube,
    "colima": _colima,
    "orbstack": _orbstack,
    "rancher-desktop": _rancher,
    "lima": _lima,
    "gitlab-runner": _runner,
}


def scene(kind: str, folder: Path) -> Machine:
    """A machine with this kind of engine. A reload of a service succeeds, and does nothing."""
    machine = Machine(folder, uid=0)
    for path in ("/etc", "/run", "/var/lib", "/root"):
        machine.at(path).mkdir(parents=True, exist_ok=True)
    machine.answer("systemctl", says="")
    SCENES[kind](machine)
    return machine
