"""A machine for tests of enrolment whose programs are the real ones.

Each runs in a mount namespace of its own, in which /etc/containers, /etc/containerd and /root are
folders of the test: paths are those of a real machine, and nothing of this one is touched.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from homeport.enroll.host import Host, Ran
from testbed.hub import free_port, wait_for
from testbed.mirror import Mirror, mirror, upstream

BOUND = ("/etc/containers", "/etc/containerd", "/root")
_SOCKET = "/run/containerd/"
_ENTER = (
    "for path in $BOUND; do mount --bind \"$ROOT$path\" $path || exit 125; done; "
    "exec env -i \"$@\""
)  # fmt: skip


class Bound:
    """`host` is what the code under test gets; `write`, `text` and `files` are the machine's."""

    def __init__(self, root: Path, run_root: Path, env: Mapping[str, str] = {}) -> None:
        self.root = root
        for path in (*BOUND, _SOCKET):
            self.at(path).mkdir(parents=True)
        storage = root / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{root}/graph"\nrunroot = "{run_root}"\n'
        )
        policy = '{"default": [{"type": "insecureAcceptAnything"}]}'
        self.write("/etc/containers/policy.json", policy)
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": "/root",
            "TMPDIR": str(run_root),
            "XDG_RUNTIME_DIR": str(run_root),
            "LC_ALL": "C",
            "CONTAINERS_STORAGE_CONF": str(storage),
            "CONTAINERD_SNAPSHOTTER": "native",
            **env,
        }
        self.calls: list[tuple[str, ...]] = []
        self.host = Host(root=str(root), env=self._env, run=self._run, uid=0)

    def _run(self, command: Sequence[str], limit: float) -> Ran:
        self.calls.append(tuple(command))
        if shutil.which(command[0]) is None:
            return Ran(127, "", f"{command[0]}: not found")
        words = [
            word.replace(_SOCKET, f"{self.at(_SOCKET)}/") if _SOCKET in word else word
            for word in command
        ]
        env = [f"{name}={value}" for name, value in self._env.items()]
        unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh"]
        done = subprocess.run(
            [*unshare, *env, *words],
            env={"PATH": os.environ["PATH"], "ROOT": str(self.root), "BOUND": " ".join(BOUND)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def at(self, path: str) -> Path:
        return self.root / path.strip("/")

    def write(self, path: str, content: str) -> Path:
        place = self.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
        return place

    def files(self) -> dict[str, bytes]:
        """Configuration files, by path; what the programs keep for themselves is not among them."""
        found = {}
        for folder in ("etc", "root/.config"):
            for place in sorted((self.root / folder).rglob("*")):
                if place.is_file() and place.suffix != ".lock":
                    found["/" + str(place.relative_to(self.root))] = place.read_bytes()
        return found


@contextmanager
def bound(root: Path, env: Mapping[str, str] = {}) -> Iterator[Bound]:
    # Podman refuses a run root with a long path, as those of tests have.
    run_root = Path(tempfile.mkdtemp(prefix="homeport-", dir="/tmp"))
    try:
        yield Bound(root, run_root, env)
    finally:
        shutil.rmtree(run_root, ignore_errors=True)


@contextmanager
def containerd(machine: Bound) -> Iterator[None]:
    """A containerd of the test's own behind the machine's socket."""
    socket = machine.at("/run/containerd/containerd.sock")
    config = machine.root / "containerd.toml"
    config.write_text(
        f"""version = 2
root = "{machine.root}/containerd/root"
state = "{machine.root}/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{socket}"
"""
    )
    with (machine.root / "containerd.log").open("wb") as log:
        process = subprocess.Popen(
            ["containerd", "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(socket.exists, 20, "containerd does not serve")
        yield
    finally:
        process.terminate()
        process.wait(20)


class Doors:
    """A running mirror with a door for Docker Hub alone, one for all, and one with TLS."""

    def __init__(self, made: Mirror, registry: int, tls: int, ca: str) -> None:
        self.mirror = made
        self.hub_url = f"http://{made.address}"
        self.url = f"http://127.0.0.1:{registry}"
        self.tls_url = f"https://127.0.0.1:{tls}"
        self.ca = ca

    def seen(self, nonce: str) -> list[dict[str, str]]:
        """Who asked for a canary."""
        found: list[dict[str, str]] = self.mirror.get(f"/_homeport/canary/{nonce}").json["seen"]
        return found


@contextmanager
def doors(folder: Path, upstreams: Mapping[str, str]) -> Iterator[Doors]:
    """`upstreams` are addresses by the names of registries."""
    import datetime

    from homeport.mirror.http import ca

    now = datetime.datetime.now(datetime.UTC)
    pair = ca.init(folder / "ca", name="enrolment", now=now)
    server = ca.Pair(folder / "server.pem", folder / "server.key")
    ca.issue(folder / "ca", server, hosts=["127.0.0.1"], now=now)
    registry, tls = free_port(), free_port()
    text = f"""[mirror]
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
[[mirror.listeners]]
name = "tls"
address = "127.0.0.1:{tls}"
role = "registry"
tls = {{ certificate = "{server.certificate}", key = "{server.key}" }}
"""
    text += "".join(upstream(name, address) for name, address in upstreams.items())
    with mirror(folder / "mirror", text) as made:
        yield Doors(made, registry, tls, pair.certificate.read_text())
