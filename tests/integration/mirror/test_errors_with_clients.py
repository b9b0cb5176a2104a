"""The table of errors (docs/reference/mirror-errors.md) as docker, ctr and podman see it."""

import base64
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from testbed import clients
from testbed.hub import Hub, Image, free_port, wait_for
from testbed.mirror import Mirror, mirror, upstream

CONFIG = """
[mirror]
data = "{{data}}"
[[mirror.listeners]]
name = "hub"
address = "{{address}}"
role = "docker-mirror"
[[mirror.listeners]]
name = "registry"
address = "127.0.0.1:{registry}"
role = "registry"
[mirror.audit]
sinks = ["file:{{data}}/../audit.jsonl"]
"""
SETTINGS = """
tag_ttl = "50ms"
revalidate_timeout = "500ms"
answer_timeout = "1s"
connect_timeout = "1s"
"""
USER, SECRET = "hub-account", "hub-secret-5d1c"
BASIC = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()


class Fault(NamedTuple):
    """What the upstream does; the mirror's status for what is cold, what clients say: its
    words, or for a 5xx the status alone."""

    status: int | None
    answer: int
    words: str

    def happens(self, made: Hub) -> None:
        made.faults.status = self.status
        made.faults.black_hole = self.status is None
        if self.status == 429:
            made.faults.headers = {"Retry-After": "1"}
        if self.status == 401:
            realm = f'Bearer realm="http://{made.address}/token",service="hub"'
            made.faults.headers = {"WWW-Authenticate": realm}


FAULTS = {
    "401": Fault(401, 403, "denied"),
    "403": Fault(403, 403, "denied"),
    "404": Fault(404, 404, "manifest unknown"),
    "429": Fault(429, 429, "toomanyrequests"),
    "500": Fault(500, 502, "502 bad gateway"),
    "time-out": Fault(None, 504, "504 gateway timeout"),
}


class World:
    """A Docker Hub that fails, its mirror with two listeners, and a client of every kind."""

    def __init__(self, docker_io: Hub, made: Mirror, port: int, docker: clients.Client) -> None:
        self.hub = docker_io
        self.mirror = made
        self.registry = f"127.0.0.1:{port}"
        self.docker = docker
        self.held: Image = docker_io.push("library/held:1", size=1000)
        for path in (
            "manifests/1",
            f"blobs/{self.held.config}",
            f"blobs/{self.held.layers[0][0]}",
        ):
            assert made.get(f"/v2/library/held/{path}").status == 200

    def restart(self) -> None:
        """With what it holds, but without what it knows of the upstream's health."""
        self.mirror.stop()
        self.mirror.start()
        self.hub.forget()

    def asked(self, name: str) -> int:
        """Requests that the upstream saw for a repository."""
        return sum(f"/library/{name}/" in seen.path for seen in list(self.hub.seen))

    def audit(self, name: str) -> list[dict[str, Any]]:
        """Records of pulls of `library/NAME`, as the sink has them a moment later."""
        path = self.mirror.folder / "audit.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        records = [line.get("record", line) for line in lines]
        return [each for each in records if each.get("repository") == f"library/{name}"]


@pytest.fixture(scope="module")
def world(docker_hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, port = tmp_path_factory.mktemp("world"), free_port()
    text = CONFIG.format(registry=port) + upstream("docker.io", docker_hub.address, more=SETTINGS)
    with mirror(folder / "mirror", text) as made:
        config = {"registry-mirrors": [f"http://{made.address}"]}
        with clients.docker(tmp_path_factory.mktemp("d"), config) as docker:
            login(docker)
            yield World(docker_hub, made, port, docker)


def login(docker: clients.Client) -> None:
    """Credentials of Docker Hub, as `docker login` leaves them."""
    folder = docker.folder / ".docker"
    folder.mkdir(parents=True)
    auths = {"auths": {"https://index.docker.io/v1/": {"auth": BASIC}}}
    (folder / "config.json").write_text(json.dumps(auths))


def pull_by_docker(world: World, fault: Fault, name: str) -> None:
    """Through registry-mirrors dockerd shows its last error, that of Docker Hub; the mirror's is in
    its log. Directly it shows the mirror's: the words, or for a 5xx its status alone."""
    docker = world.docker
    docker.ok("pull", "held:1")
    docker.ok("rmi", "-f", "held:1")
    docker.ok("pull", f"{world.registry}/held:1")
    docker.ok("rmi", "-f", f"{world.registry}/held:1")

    log = docker.folder.parent / "dockerd.log"
    before = log.stat().st_size
    status, _ = docker.run("pull", f"mirrored-{name}:1")
    assert status != 0
    said = log.read_bytes()[before:].decode()
    fell_through = [line for line in said.splitlines() if "Attempting next endpoint" in line]
    assert fault.words in fell_through[0].lower(), said

    status, said = docker.run("pull", f"{world.registry}/direct-{name}:1")
    assert status != 0
    assert fault.words in said.lower(), said


def pull_by_ctr(world: World, fault: Fault, name: str) -> None:
    folder = world.mirror.folder / f"ctr-{name}"
    hosts = folder / "hosts" / "docker.io"
    hosts.mkdir(parents=True)
    # The same server as `server` and as host: it is asked, or nobody.
    (hosts / "hosts.toml").write_text(
        f"""server = "http://{world.registry}"
[host."http://{world.registry}"]
  capabilities = ["pull", "resolve"]
"""
    )
    socket = world.docker.folder.parent / "exec" / "containerd" / "containerd.sock"
    client = clients.ctr(folder / "home", socket)
    pull = ("images", "pull", "--hosts-dir", str(hosts.parent))
    client.ok(*pull, "docker.io/library/held:1")
    assert "library/held:1" in client.ok("images", "list")
    client.ok("images", "rm", "--sync", "docker.io/library/held:1")
    status, said = client.run(*pull, f"docker.io/library/ctr-{name}:1")
    assert status != 0
    # ctr asks by HEAD and shows the status alone; a 404 by words of its own.
    expected = "not found" if fault.answer == 404 else str(fault.answer)
    assert expected in said, said


def pull_by_podman(world: World, fault: Fault, name: str) -> None:
    folder = world.mirror.folder / f"podman-{name}"
    registries = f"""
unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "docker.io"
location = "docker.io"
blocked = true
[[registry.mirror]]
location = "{world.mirror.address}"
insecure = true
"""
    client = clients.podman(folder, registries)
    client.ok("pull", "docker.io/library/held:1")
    status, said = client.run("pull", f"docker.io/library/podman-{name}:1")
    assert status != 0
    assert fault.words in said.lower(), said
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", FAULTS)
def test_what_clients_see_of_a_failure(world: World, name: str) -> None:
    fault = FAULTS[name]
    world.restart()
    fault.happens(world.hub)
    kinds = {"mirrored": pull_by_docker, "ctr": pull_by_ctr, "podman": pull_by_podman}
    try:
        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(pull, world, fault, name) for pull in kinds.values()]:
                done.result()
    finally:
        world.hub.faults.clear()
    for kind in (*kinds, "direct"):
        wanted = f"{kind}-{name}"
        wait_for(lambda wanted=wanted: bool(world.audit(wanted)), 3, f"no record of {wanted}")
        records = world.audit(wanted)
        assert {each["status"] for each in records} == {fault.answer}, records
        # Clients ask again and again; the upstream is not: podman for a 429 over five seconds, and
        # the upstream asked for one.
        assert world.asked(wanted) <= (6 if (kind, name) == ("podman", "429") else 2), wanted
    stale = [each for each in world.audit("held") if each.get("cache") == "stale"]
    assert stale


def test_a_logged_in_docker_is_never_challenged(world: World) -> None:
    """dockerd sends its user's Docker Hub password to whoever answers 401."""
    world.restart()
    digests = [world.held.config, world.held.layers[0][0]]
    paths = ["", "library/held/manifests/1", "library/none/manifests/1", "library/held/tags/list"]
    paths += [f"library/held/blobs/{digest}" for digest in digests]
    paths += ["team/app/manifests/1", "homeport-verify/nonce0123/manifests/1", "_catalog"]
    for authorization in ("", f"Basic {BASIC}", "Bearer nonsense", "Basic Og==", "Basic ="):
        headers = {"Authorization": authorization} if authorization else {}
        for path in paths:
            for method in ("GET", "HEAD", "PUT", "DELETE"):
                answer = world.mirror.get(f"/v2/{path}", method=method, headers=headers)
                assert answer.status not in (401, 500), (method, path, authorization)
                assert "www-authenticate" not in answer.headers
    world.docker.ok("pull", "held:1")
    world.docker.ok("rmi", "-f", "held:1")


def test_nobody_ever_saw_the_password_of_docker_hub(world: World) -> None:
    """After everything above: not the upstream, not the audit, nothing in the data or the log."""
    world.docker.ok("pull", "held:1")
    assert not [seen for seen in world.hub.seen if "authorization" in seen.headers]
    world.mirror.stop()
    for folder, _, names in os.walk(world.mirror.folder):
        for name in names:
            path = Path(folder, name)
            content = path.read_bytes() if path.is_file() else b""
            assert SECRET.encode() not in content, path
            assert BASIC.encode() not in content, path
            assert USER.encode() not in content, path
    world.mirror.start()
