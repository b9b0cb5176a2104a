"""Logins, pushes and pulls of a real client (skopeo) under rules."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.hub import wait_for
from testbed.mirror import Mirror, mirror

CONFIG = """\
[mirror]
data = "{data}"
[[mirror.listeners]]
name = "main"
role = "registry"
address = "{address}"
[mirror.upstreams."docker.io"]
urls = ["http://127.0.0.1:9"]
[mirror.namespaces.team]
[mirror.namespaces.open]
[mirror.auth]
htpasswd = "{data}/../users"
[mirror.auth.groups]
dev = ["ann"]
[[mirror.rules]]
name = "everybody reads open"
allow = true
actions = ["pull"]
repositories = ["local/open/**"]
[[mirror.rules]]
name = "developers"
allow = true
groups = ["dev"]
repositories = ["local/**"]
[[mirror.rules]]
name = "robots read"
allow = true
actions = ["pull"]
principals = ["robot$ci"]
[[mirror.rules]]
name = "nobody else"
allow = false
repositories = ["local/**"]
"""


def layout(folder: Path) -> Path:
    """An image of one small layer as an OCI layout."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    layer = bytes(1024)
    kind = "application/vnd.oci.image"
    layers = [put(layer, f"{kind}.layer.v1.tar")]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [layers[0]["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": put(json.dumps(config).encode(), f"{kind}.config.v1+json"),
        "layers": layers,
    }
    found = put(json.dumps(manifest).encode(), f"{kind}.manifest.v1+json")
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [found]}))
    return folder


class Person:
    """A user of skopeo with credentials of their own, or none."""

    def __init__(self, folder: Path, server: Mirror) -> None:
        self.folder, self.server = folder, server
        self.credentials = folder / "auth.json"
        folder.mkdir()

    def skopeo(self, *arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["skopeo", *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**self.server.env, "REGISTRY_AUTH_FILE": str(self.credentials)},
        )

    def login(self, user: str, password: str) -> bool:
        arguments = ["login", "--tls-verify=false", "-u", user, "--password-stdin"]
        return self.skopeo(*arguments, self.server.address, text=password).returncode == 0

    def push(self, image: Path, name: str) -> str:
        """What skopeo says; empty if it worked."""
        target = f"docker://{self.server.address}/{name}"
        policy = ["--insecure-policy", "copy", "--dest-tls-verify=false"]
        done = self.skopeo(*policy, f"oci:{image}", target)
        return done.stderr if done.returncode else ""

    def pull(self, name: str) -> str:
        source = f"docker://{self.server.address}/{name}"
        policy = ["--insecure-policy", "copy", "--src-tls-verify=false"]
        done = self.skopeo(*policy, source, f"dir:{self.folder / 'pulled'}")
        return done.stderr if done.returncode else ""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    import bcrypt

    folder = tmp_path_factory.mktemp("access")
    lines = [
        f"{name}:{bcrypt.hashpw(password, bcrypt.gensalt(4)).decode()}\n"
        for name, password in (("ann", b"wonder"), ("bob", b"builder"))
    ]
    (folder / "users").write_text("".join(lines))
    with mirror(folder, CONFIG) as running:
        yield running


def test_rules_hold_for_a_real_client(server: Mirror, tmp_path: Path) -> None:
    image = layout(tmp_path / "image")
    ann, bob, nobody = (Person(tmp_path / name, server) for name in ("ann", "bob", "nobody"))
    assert not ann.login("ann", "wrong")
    assert ann.login("ann", "wonder")
    assert bob.login("bob", "builder")

    assert ann.push(image, "team/app:1") == ""
    assert ann.push(image, "open/app:1") == ""
    assert ann.pull("team/app:1") == ""
    for person in (bob, nobody):
        assert person.pull("open/app:1") == ""
        assert person.pull("team/app:1") != ""
        assert person.push(image, "open/app:2") != ""
    assert server.get("/v2/team/app/tags/list").status == 401


def test_a_robot_pulls_until_it_is_removed(server: Mirror, tmp_path: Path) -> None:
    image = layout(tmp_path / "image")
    ann, robot = Person(tmp_path / "ann", server), Person(tmp_path / "robot", server)
    assert ann.login("ann", "wonder")
    assert ann.push(image, "team/other:1") == ""
    made = server.homeport("robot", "add", "ci", "--expires", "1h")
    assert made.returncode == 0, made.stderr
    assert robot.login("robot$ci", made.stdout.strip())
    assert robot.pull("team/other:1") == ""
    assert "denied" in robot.push(image, "team/other:2").lower()
    assert server.homeport("robot", "remove", "ci").returncode == 0
    # For two seconds at most it may be answered from memory.
    wait_for(lambda: robot.pull("team/other:1") != "", 5.0, "the robot still pulls")


def test_secrets_are_in_no_log(server: Mirror, tmp_path: Path) -> None:
    person = Person(tmp_path / "who", server)
    assert not person.login("ann", "an-unmistakable-secret")
    assert person.login("bob", "builder")
    assert "unmistakable" not in server.log
    for path in server.data.rglob("*"):
        if path.is_file():
            assert b"unmistakable" not in path.read_bytes()
