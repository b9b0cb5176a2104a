"""Real clients pull through the mirror and push to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import clients
from testbed.hub import Hub, Image, free_port, hub
from testbed.mirror import Mirror, mirror, upstream

CONFIG = """
[mirror]
data = "{{data}}"
default_upstream = "docker.io"
[[mirror.listeners]]
name = "hub"
address = "{{address}}"
role = "docker-mirror"
[[mirror.listeners]]
name = "registry"
address = "127.0.0.1:{registry}"
role = "registry"
[mirror.namespaces.team]
"""


class World:
    """A Docker Hub, a quay.io and a mirror of both with two listeners."""

    def __init__(self, docker_io: Hub, quay: Hub, made: Mirror, port: int) -> None:
        self.docker_io = docker_io
        self.quay = quay
        self.mirror = made
        self.registry = f"127.0.0.1:{port}"
        self.alpine: Image = docker_io.push("library/alpine:3.20", size=300_000, layers=2)
        self.app: Image = docker_io.push("user/app:1", size=1000)
        self.tool: Image = quay.push("org/tool:2", size=1000)

    @property
    def registries(self) -> str:
        """A registries.conf: Docker Hub by the docker-mirror listener, quay.io by a host path."""
        return f"""
unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "docker.io"
location = "docker.io"
blocked = true
[[registry.mirror]]
location = "{self.mirror.address}"
insecure = true
[[registry]]
prefix = "quay.io"
location = "quay.io"
blocked = true
[[registry.mirror]]
location = "{self.registry}/quay.io"
insecure = true
[[registry]]
location = "{self.registry}"
insecure = true
"""

    def seen_from(self, upstream_name: str) -> list[str]:
        """The repositories of an upstream that clients were served, by the audit."""
        import json

        done = self.mirror.homeport("audit", "query", "--upstream", upstream_name, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["repository"] for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    port = free_port()
    with hub(folder / "docker.io") as docker_io, hub(folder / "quay.io") as quay:
        text = CONFIG.format(registry=port)
        text += upstream("docker.io", docker_io.address) + upstream("quay.io", quay.address)
        with mirror(folder / "mirror", text) as made:
            yield World(docker_io, quay, made, port)


@pytest.fixture(scope="module")
def docker(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[clients.Client]:
    config = {"registry-mirrors": [f"http://{world.mirror.address}"]}
    with clients.docker(Path(tmp_path_factory.mktemp("d")), config) as client:
        yield client


def test_docker_pulls_by_registry_mirrors(world: World, docker: clients.Client) -> None:
    for reference in ("alpine:3.20", "user/app:1", "docker.io/library/alpine:3.20"):
        docker.ok("pull", reference)
    digest = f"docker.io/library/alpine@{world.alpine.manifest}"
    docker.ok("pull", digest)
    assert "alpine" in docker.ok("images")
    docker.ok("rmi", "-f", "alpine:3.20", digest)
    blobs = world.docker_io.count("GET", "/blobs/")
    docker.ok("pull", "alpine:3.20")
    assert world.docker_io.count("GET", "/blobs/") == blobs


def test_docker_pulls_and_pushes_at_the_registry(world: World, docker: clients.Client) -> None:
    docker.ok("pull", f"{world.registry}/quay.io/org/tool:2")
    docker.ok("pull", f"{world.registry}/alpine:3.20")
    ours = f"{world.registry}/team/alpine:mine"
    docker.ok("tag", f"{world.registry}/alpine:3.20", ours)
    docker.ok("push", ours)
    docker.ok("rmi", "-f", ours)
    docker.ok("pull", ours)
    status, said = docker.run("push", f"{world.registry}/alpine:3.20")
    assert status != 0
    assert "denied" in said.lower(), said


def test_docker_cannot_push_to_a_docker_mirror(world: World, docker: clients.Client) -> None:
    docker.ok("pull", "alpine:3.20")
    name = f"{world.mirror.address}/team/x:1"
    docker.ok("tag", "alpine:3.20", name)
    status, said = docker.run("push", name)
    assert status != 0
    assert "denied" in said.lower(), said


def test_ctr_pulls_by_namespace(world: World, docker: clients.Client, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    for name in ("docker.io", "quay.io"):
        (hosts / name).mkdir(parents=True)
        (hosts / name / "hosts.toml").write_text(
            f"""server = "http://{world.registry}"
[host."http://{world.registry}"]
  capabilities = ["pull", "resolve"]
"""
        )
    socket = docker.folder.parent / "exec" / "containerd" / "containerd.sock"
    client = clients.ctr(tmp_path / "home", socket)
    for reference in ("docker.io/library/alpine:3.20", "quay.io/org/tool:2"):
        client.ok("images", "pull", "--hosts-dir", str(hosts), reference)
        assert reference in client.ok("images", "list")
    assert "org/tool" in world.seen_from("quay.io")


@pytest.mark.parametrize("make", [clients.podman, clients.buildah], ids=["podman", "buildah"])
def test_podman_and_buildah(world: World, tmp_path: Path, make: object) -> None:
    client: clients.Client = make(tmp_path / "home", world.registries)  # type: ignore[operator]
    client.ok("pull", "docker.io/library/alpine:3.20")
    client.ok("pull", "quay.io/org/tool:2")
    ours = f"{world.registry}/team/from-{make.__name__}:1"  # type: ignore[attr-defined]
    client.ok("push", "docker.io/library/alpine:3.20", f"docker://{ours}")
    client.ok("pull", ours)
    missing, said = client.run("pull", "docker.io/library/nothing-here:1")
    assert missing != 0, said


def test_skopeo_copies_inspects_lists_and_deletes(world: World, tmp_path: Path) -> None:
    client = clients.skopeo(tmp_path / "home", world.registries)
    assert '"3.20"' in client.ok("list-tags", f"docker://{world.registry}/alpine")
    assert world.alpine.layers[0][0] in client.ok(
        "inspect", "--no-tags", "docker://docker.io/library/alpine:3.20"
    )
    ours = f"docker://{world.registry}/team/copied:1"
    client.ok("copy", "docker://quay.io/org/tool:2", ours)
    client.ok("copy", ours, f"oci:{tmp_path / 'out'}:x")
    client.ok("delete", ours)
    status, _ = client.run("inspect", ours)
    assert status != 0


def test_the_canary_is_pulled_and_seen(
    world: World, docker: clients.Client, tmp_path: Path
) -> None:
    nonce = "nonce0123456789"
    docker.ok("pull", f"homeport-verify/{nonce}:1")
    client = clients.podman(tmp_path / "home", world.registries)
    client.ok("pull", f"quay.io/homeport-verify/{nonce}:1")
    seen = world.mirror.get(f"/_homeport/canary/{nonce}").json["seen"]
    agents = " ".join(entry["agent"] for entry in seen)
    assert "docker" in agents
    assert "containers/" in agents
    assert world.docker_io.count("GET", "homeport-verify") == 0
