"""Whatever its owner has written: a plan never crashes, apply twice is once, undo gives the bytes
back."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeport.enroll.apply import DONE, PENDING, REFUSED, UNCHANGED, apply
from homeport.enroll.engines.kinds import find_kind
from homeport.enroll.formats.toml_text import write_value
from homeport.enroll.model import Mirror, MirrorKind, Mode, Request
from homeport.enroll.plan import make_plan
from homeport.enroll.undo import undo
from testbed.machine import Machine
from testbed.scenes import scene

DAEMON_JSON = "/etc/docker/daemon.json"
CONTAINERD = "/etc/containerd/config.toml"
REGISTRIES = "/etc/containers/registries.conf"

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
TLS = Mirror("https://mirror.corp:5443", "https://mirror.corp:5000", MirrorKind.HOMEPORT, ca=CA)
PLAIN = Mirror("http://mirror.corp:5000", "http://mirror.corp:5000", MirrorKind.HOMEPORT)
REQUESTS = st.builds(
    Request,
    mirror=st.sampled_from([TLS, PLAIN]),
    mode=st.sampled_from(list(Mode)),
    registries=st.sampled_from([("docker.io",), ("docker.io", "ghcr.io", "quay.io"), ("ghcr.io",)]),
)

GEERLINGGUY = """{
  "storage-driver": "overlay2",
  "log-opts": {
    "max-size": "100m"
  }
}"""
CLOUD_INIT = '{"exec-opts":["native.cgroupdriver=systemd"],"registry-mirrors":["https://old"]}'
NVIDIA = """{
    "default-runtime": "nvidia",
    "runtimes": {
        "nvidia": {
            "args": [],
            "path": "nvidia-container-runtime"
        }
    },
    "insecure-registries" : [ "10.0.0.0/8", "mirror.corp:5000" ]
}
"""
KUBEADM = """version = 2
root = "/var/lib/containerd"

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "registry.k8s.io/pause:3.9"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = true
    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = ""

      [plugins."io.containerd.grpc.v1.cri".registry.headers]
"""
MIRRORS = """version = 2
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]
endpoint = ["https://old"]
"""
THIRD = """version = 3
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = '/etc/containerd/certs.d:/etc/docker/certs.d'
"""
DOCKERS = '#   Copyright\ndisabled_plugins = ["cri"]\n\n#root = "/var/lib/containerd"\n'
FEDORA = """unqualified-search-registries = ["registry.fedoraproject.org", "docker.io"]
short-name-mode = "enforcing"

[[registry]]
prefix = "docker.io"
location = "docker.io"
[[registry.mirror]]
location = "mirror.gcr.io"
"""
V1 = "[registries.search]\nregistries = ['docker.io']\n[registries.insecure]\nregistries = []\n"

TEXT = st.text(max_size=6)
SCALAR = st.none() | st.booleans() | st.integers() | TEXT
JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)
DOCKER_KEYS = st.sampled_from(
    ["registry-mirrors", "insecure-registries", "hosts", "features", "proxies", "debug", "mtu"]
)


@st.composite
def daemon_json(draw: st.DrawFn) -> bytes:
    urls = st.lists(st.sampled_from(["https://a", "http://mirror.corp:5000/", "10.0.0.0/8"]))
    keys = DOCKER_KEYS | TEXT
    values = draw(st.dictionaries(keys, urls | JSON, max_size=4))
    indent = draw(st.sampled_from([None, 0, 1, 2, 4, "\t"]))
    text = json.dumps(values, indent=indent, ensure_ascii=draw(st.booleans()))
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n", "\n\n"])))
    around = st.sampled_from(["", " ", "\n", "\r\n", "\ufeff"])
    return (draw(around) + text + draw(around)).encode("utf-8", "surrogatepass")


WORDS = st.sampled_from(
    ["registry", "mirrors", "config_path", "io.containerd.grpc.v1.cri", "a b", "ä", "", "mirror"]
)
TOML = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=6).filter(str.isprintable),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def toml_of(keys: list[str]) -> st.SearchStrategy[bytes]:
    def join(values: dict[str, Any], comment: str, end: str) -> bytes:
        lines = [comment, *(f"{key} = {write_value(value)}" for key, value in values.items())]
        return (end.join(lines) + end).encode()

    return st.builds(
        join,
        st.dictionaries(st.sampled_from(keys), TOML, max_size=4),
        st.sampled_from(["# kept", "", " \t# kept too"]),
        st.sampled_from(["\n", "\r\n", "\n\n"]),
    )


def there_and_back(kind: str, path: str, content: bytes, request: Request) -> str:
    """The state of the engine after the first apply."""
    with tempfile.TemporaryDirectory(prefix="homeport-test-") as folder:
        machine = scene(kind, Path(folder, "root"))
        machine.answer("containerd", "--config", says="")
        machine.write(path, content, mode=0o640)
        before = _theirs(machine)
        find = find_kind(kind)
        plan = make_plan(machine.host, request, [find])
        assert _theirs(machine) == before
        (result,) = apply(machine.host, plan)
        assert result.state in (DONE, PENDING, REFUSED, UNCHANGED), result
        applied = _theirs(machine)
        if result.state == REFUSED:
            assert applied == before
            assert result.findings
        else:
            assert not make_plan(machine.host, request, [find]).drifted
            apply(machine.host, make_plan(machine.host, request, [find]))
            assert _theirs(machine) == applied
        undo(machine.host)
        assert _theirs(machine) == before
        return result.state


def _theirs(machine: Machine) -> dict[str, Any]:
    return {
        path: found
        for path, found in machine.files().items()
        if not path.startswith("/var/lib/homeport")
    }


@pytest.mark.parametrize("mirror", [TLS, PLAIN], ids=["tls", "plain"])
@pytest.mark.parametrize(
    ("kind", "path", "content"),
    [
        ("docker", DAEMON_JSON, GEERLINGGUY),
        ("docker", DAEMON_JSON, CLOUD_INIT),
        ("docker", DAEMON_JSON, NVIDIA),
        ("containerd", CONTAINERD, KUBEADM),
        ("containerd", CONTAINERD, '#disabled_plugins = ["cri"]\n\n#[debug]\n'),
        ("podman", REGISTRIES, FEDORA),
    ],
)
def test_what_people_have(kind: str, path: str, content: str, mirror: Mirror) -> None:
    for end in ("\n", "\r\n"):
        text = content.replace("\n", end).encode()
        assert there_and_back(kind, path, text, Request(mirror)) != REFUSED


@pytest.mark.parametrize(
    ("kind", "path", "content"),
    [
        ("containerd", CONTAINERD, MIRRORS),
        ("containerd", CONTAINERD, THIRD),
        ("podman", REGISTRIES, V1),
        ("docker", DAEMON_JSON, '{"hosts": [], "hosts": []}'),
        ("docker", DAEMON_JSON, "{} // mine"),
        ("docker", DAEMON_JSON, '{"a": NaN}'),
        ("docker", DAEMON_JSON, "[]"),
        ("docker", DAEMON_JSON, "\ufeff{}"),
        ("docker", DAEMON_JSON, "[" * 100_000),
        ("containerd", CONTAINERD, "a = " + "[" * 100_000),
        ("podman", REGISTRIES, "a = " + "{b = " * 100_000),
    ],
    ids=range(11),
)
def test_what_is_refused_stays_as_it_is(kind: str, path: str, content: str) -> None:
    assert there_and_back(kind, path, content.encode(), Request(PLAIN)) == REFUSED


def test_where_only_docker_uses_containerd_nothing_is_done() -> None:
    assert there_and_back("containerd", CONTAINERD, DOCKERS.encode(), Request(TLS)) == UNCHANGED


MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(daemon_json(), REQUESTS)
def test_any_daemon_json(content: bytes, request: Request) -> None:
    there_and_back("docker", DAEMON_JSON, content, request)


@MANY
@given(toml_of(["version", "plugins", "imports", "root", "disabled_plugins"]), REQUESTS)
def test_any_containerd_config(content: bytes, request: Request) -> None:
    there_and_back("containerd", CONTAINERD, content, request)


@MANY
@given(toml_of(["registry", "unqualified-search-registries", "aliases", "x"]), REQUESTS)
def test_any_registries_conf(content: bytes, request: Request) -> None:
    there_and_back("podman", REGISTRIES, content, request)


@MANY
@given(
    st.sampled_from([("docker", DAEMON_JSON), ("containerd", CONTAINERD), ("podman", REGISTRIES)]),
    st.binary(max_size=40),
    REQUESTS,
)
def test_any_bytes(place: tuple[str, str], content: bytes, request: Request) -> None:
    there_and_back(*place, content, request)
