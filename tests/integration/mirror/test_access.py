"""docker, podman and skopeo log in, pull and push under rules, over TLS of our own CA."""

import base64
import datetime
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bcrypt
import pytest

from homeport.mirror.http import ca
from testbed import clients
from testbed.hub import Hub, free_port, wait_for
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
tls = {{ certificate = "tls/server.pem", key = "tls/server.key" }}
[mirror.namespaces.team]
[mirror.namespaces.other]
[mirror.auth]
htpasswd = "users"
[mirror.auth.groups]
dev = ["ann"]
[[mirror.rules]]
name = "secrets are for developers"
allow = false
repositories = ["docker.io/secret/**"]
principals = ["anonymous", "bob"]
[[mirror.rules]]
name = "mirrors are for everybody"
allow = true
actions = ["pull"]
repositories = ["docker.io/**"]
[[mirror.rules]]
name = "accounts read private.test"
allow = true
actions = ["pull"]
principals = ["ann", "bob", "robot$*"]
[[mirror.rules]]
name = "developers push to team"
allow = true
groups = ["dev"]
actions = ["pull", "push"]
repositories = ["local/team/**"]
[[mirror.rules]]
name = "nobody else"
allow = false
"""
PASSWORDS = {"ann": "wonder-7e1", "bob": "builder-2c9"}


class World:
    """A registry listener with TLS, a docker-mirror listener without, and a docker for each."""

    def __init__(self, made: Mirror, port: int, docker: clients.Client, trust: Path) -> None:
        self.mirror = made
        self.registry = f"127.0.0.1:{port}"
        self.docker = docker
        self.trust = trust

    def podman(self, folder: Path) -> clients.Client:
        return clients.podman(folder, 'unqualified-search-registries = ["docker.io"]\n')

    def skopeo(self, folder: Path) -> clients.Client:
        return clients.skopeo(folder, "")

    def robot(self, name: str) -> str:
        made = self.mirror.homeport("robot", "add", name, "--expires", "1h")
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()


@contextmanager
def private_upstream(folder: Path, source: Hub) -> Iterator[str]:
    """docker-registry that lets nobody in without a password; with `app/secret:1`."""
    folder.mkdir()
    port = free_port()
    hashed = bcrypt.hashpw(b"upstream-pw", bcrypt.gensalt(4)).decode()
    (folder / "users").write_text(f"mirror:{hashed}\n")
    (folder / "registry.yml").write_text(
        f"""version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder / "storage"}}}}}
http: {{addr: 127.0.0.1:{port}}}
auth: {{htpasswd: {{realm: private, path: {folder / "users"}}}}}
"""
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "registry.yml")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        copy = ["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false"]
        copy += ["--dest-tls-verify=false", "--dest-creds=mirror:upstream-pw"]
        copy += [f"docker://{source.direct}/library/base:1"]
        copy += [f"docker://127.0.0.1:{port}/app/secret:1"]
        wait_for(lambda: subprocess.run(copy, check=False).returncode == 0, 20, "no registry")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def trusted(address: str, certificate: Path) -> Iterator[Path]:
    """docker and podman look for CAs here alone (and only by HOST:PORT)."""
    made = []
    for root in (Path("/etc/docker/certs.d"), Path("/etc/containers/certs.d")):
        folder = root / address
        folder.mkdir(parents=True)
        made.append(folder)
        shutil.copy(certificate, folder / "ca.crt")
    try:
        yield made[1]
    finally:
        for folder in made:
            shutil.rmtree(folder)


@pytest.fixture(scope="module")
def world(docker_hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if os.geteuid() != 0:
        pytest.skip("CAs of docker and podman are in /etc")
    folder, port = tmp_path_factory.mktemp("access"), free_port()
    docker_hub.push("library/base:1", size=1000)
    docker_hub.push("secret/tool:1", size=1000)
    now = datetime.datetime.now(datetime.UTC)
    home = folder / "mirror"
    (home / "tls").mkdir(parents=True)
    authority = ca.init(folder / "ca", name="test", now=now)
    pair = ca.Pair(home / "tls" / "server.pem", home / "tls" / "server.key")
    ca.issue(folder / "ca", pair, hosts=["127.0.0.1", "localhost"], now=now)
    lines = [
        f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"
        for name, password in PASSWORDS.items()
    ]
    (home / "users").write_text("".join(lines))
    (home / "upstream-password").write_text("upstream-pw")
    (home / "upstream-password").chmod(0o600)
    address = f"127.0.0.1:{port}"
    with private_upstream(folder / "private", docker_hub) as private:
        credentials = 'credentials = { username = "mirror", password_file = "upstream-password" }'
        text = CONFIG.format(registry=port) + upstream("docker.io", docker_hub.address)
        text += upstream("private.test", private, more=credentials)
        with trusted(address, authority.certificate) as trust, mirror(home, text) as made:
            config = {"registry-mirrors": [f"http://{made.address}"]}
            with clients.docker(tmp_path_factory.mktemp("d"), config) as docker:
                yield World(made, port, docker, trust)


def login(world: World, client: clients.Client, user: str, password: str) -> tuple[int, str]:
    words = ["login", "-u", user, "--password-stdin", world.registry]
    return client.run(*words, stdin=password)


def test_docker_logs_in_pulls_and_pushes(world: World) -> None:
    docker, registry = world.docker, world.registry
    docker.ok("pull", f"{registry}/base:1")
    docker.ok("tag", f"{registry}/base:1", f"{registry}/team/base:1")
    docker.ok("tag", f"{registry}/base:1", f"{registry}/other/base:1")
    assert docker.run("push", f"{registry}/team/base:1")[0] != 0
    assert docker.run("pull", f"{registry}/private.test/app/secret:1")[0] != 0
    assert docker.run("pull", f"{registry}/docker.io/secret/tool:1")[0] != 0

    status, said = login(world, docker, "ann", "wrong")
    assert status != 0
    assert "unauthorized" in said.lower() or "incorrect" in said.lower(), said
    assert login(world, docker, "ann", PASSWORDS["ann"])[0] == 0
    docker.ok("push", f"{registry}/team/base:1")
    docker.ok("rmi", "-f", f"{registry}/team/base:1")
    docker.ok("pull", f"{registry}/team/base:1")
    docker.ok("pull", f"{registry}/private.test/app/secret:1")
    docker.ok("pull", f"{registry}/docker.io/secret/tool:1")
    status, said = docker.run("push", f"{registry}/other/base:1")
    assert status != 0
    assert "denied" in said.lower(), said
    docker.ok("logout", registry)
    docker.ok("rmi", "-f", f"{registry}/team/base:1")
    assert docker.run("pull", f"{registry}/team/base:1")[0] != 0

    robot = world.robot("docker")
    assert login(world, docker, "robot$docker", robot)[0] == 0
    docker.ok("pull", f"{registry}/private.test/app/secret:1")
    docker.ok("tag", f"{registry}/base:1", f"{registry}/team/robot:1")
    assert docker.run("push", f"{registry}/team/robot:1")[0] != 0
    docker.ok("logout", registry)


def test_podman_logs_in_pulls_and_pushes(world: World, tmp_path: Path) -> None:
    podman, registry = world.podman(tmp_path / "podman"), world.registry
    podman.ok("pull", f"{registry}/library/base:1")
    assert podman.run("pull", f"{registry}/private.test/app/secret:1")[0] != 0
    assert login(world, podman, "bob", PASSWORDS["bob"])[0] == 0
    podman.ok("pull", f"{registry}/private.test/app/secret:1")
    status, said = podman.run("push", f"{registry}/library/base:1", f"{registry}/team/bob:1")
    assert status != 0
    assert "denied" in said.lower(), said
    assert podman.run("pull", f"{registry}/docker.io/secret/tool:1")[0] != 0
    assert login(world, podman, "ann", PASSWORDS["ann"])[0] == 0
    podman.ok("push", f"{registry}/library/base:1", f"{registry}/team/podman:1")


def test_skopeo_with_credentials_of_one_call(world: World, tmp_path: Path) -> None:
    skopeo, registry = world.skopeo(tmp_path / "skopeo"), world.registry
    ann, bob = (f"--creds={name}:{PASSWORDS[name]}" for name in ("ann", "bob"))
    secret = f"docker://{registry}/private.test/app/secret:1"
    assert skopeo.run("inspect", secret)[0] != 0
    for who in (ann, bob):
        skopeo.ok("inspect", who, secret)
    assert skopeo.run("inspect", "--creds=bob:wrong", secret)[0] != 0
    copied = f"docker://{registry}/team/skopeo:1"
    base = f"docker://{registry}/library/base:1"
    skopeo.ok("copy", f"--dest-{ann[2:]}", base, copied)
    assert skopeo.run("copy", f"--dest-{bob[2:]}", base, f"{copied}2")[0] != 0
    assert skopeo.run("delete", bob, copied)[0] != 0
    other = f"docker://{registry}/other/skopeo:1"
    assert skopeo.run("copy", f"--dest-{ann[2:]}", base, other)[0] != 0


def test_what_is_held_is_closed_as_well(world: World, tmp_path: Path) -> None:
    """What was fetched with the mirror's credentials, or for somebody else, is shown to those
    alone who may see it: neither by digest nor under another name."""
    skopeo = world.skopeo(tmp_path / "skopeo")
    ann = f"--creds=ann:{PASSWORDS['ann']}"
    secret = f"docker://{world.registry}/private.test/app/secret"
    digest = skopeo.ok("inspect", ann, "--format", "{{.Digest}}", f"{secret}:1").strip()
    skopeo.ok("copy", f"--src-{ann[2:]}", f"{secret}:1", f"dir:{tmp_path / 'out'}")
    assert skopeo.run("inspect", f"{secret}@{digest}")[0] != 0
    # The listener for dockerd never asks who it is: 403 there.
    for path in ("secret/tool/manifests/1", "private.test/app/secret/manifests/1"):
        answer = world.mirror.get(f"/v2/{path}")
        assert answer.status in (403, 404), path
        assert "www-authenticate" not in answer.headers


def test_docker_mirror_with_accounts_never_asks_for_a_password(world: World) -> None:
    docker = world.docker
    hub = docker.folder / ".docker"
    hub.mkdir(exist_ok=True)
    docker.ok("pull", "base:1")
    for user, password in PASSWORDS.items():
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        for path in ("library/base/manifests/1", "secret/tool/manifests/1", ""):
            answer = world.mirror.get(f"/v2/{path}", headers={"Authorization": f"Basic {basic}"})
            assert answer.status != 401


def test_no_secret_is_in_a_file_or_the_log(world: World) -> None:
    secrets = [*PASSWORDS.values(), "upstream-pw"]
    needles = [each.encode() for each in secrets]
    for path in world.mirror.folder.rglob("*"):
        if path.is_file() and path.name != "upstream-password":
            content = path.read_bytes()
            assert not [each for each in needles if each in content], path
