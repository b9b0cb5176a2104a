"""Docker daemons on a machine of the tests' own: a folder that is `/` to the code under test.

Each daemon lives in a mount namespace where `/etc/docker` is the folder's, so that it reads there
what a daemon reads in fixed places (certs.d), and the real machine's files are out of its sight.
"""

import os
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from homeport.enroll.engines.docker import Docker
from homeport.enroll.model import Engine
from testbed.clients import Client
from testbed.hub import wait_for
from testbed.machine import Machine

CONFIG = "/etc/docker/daemon.json"


class Dockerd:
    """A daemon that a test starts, stops and starts again. `socket` is the machine's path of it,
    `config` that of its file (which there need not be)."""

    def __init__(
        self,
        machine: Machine,
        name: str,
        *,
        config: str = CONFIG,
        flags: tuple[str, ...] = (),
        env: Mapping[str, str] = {},
    ) -> None:
        self.machine = machine
        self.name = name
        self.socket = f"/run/{name}.sock"
        self.config = config
        self.flags = flags
        self.env = env
        self.folder = machine.at(f"/var/{name}")
        self.folder.mkdir(parents=True, exist_ok=True)
        machine.at("/run").mkdir(exist_ok=True)
        machine.at("/etc/docker").mkdir(parents=True, exist_ok=True)
        self.client = Client(
            self.folder / "home", "docker", "--host", f"unix://{machine.at(self.socket)}"
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        named = [] if self.config == CONFIG else [f"--config-file={self.config}"]
        inner = 'mount --bind "$0" /etc/docker && exec dockerd "$@"'
        return [
            *("unshare", "--mount", "--propagation=private", "sh", "-c", inner),
            str(self.machine.at("/etc/docker")),
            *named,
            f"--data-root={self.folder / 'data'}",
            f"--exec-root={self.folder / 'exec'}",
            f"--pidfile={self.folder / 'docker.pid'}",
            f"--host=unix://{self.machine.at(self.socket)}",
            "--bridge=none",
            "--iptables=false",
            "--ip-forward=false",
            "--ip-masq=false",
            "--storage-driver=vfs",
            *self.flags,
        ]

    def start(self, *, serves: bool = True) -> "Dockerd":
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.env},
            )
        if serves:
            wait_for(self._serves, 60, "dockerd does not serve")
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(40)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def engine(self) -> Engine:
        """What is detected of it now."""
        found = {engine.id: engine for engine in Docker().detect(self.machine.host)}
        return found[f"docker:unix://{self.socket}"]

    def mirrors(self) -> list[str]:
        said = self.client.ok("info", "--format", "{{json .RegistryConfig.Mirrors}}")
        import json

        return list(json.loads(said) or [])

    def _serves(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log[-3000:]
        return self.client.run("version")[0] == 0


@contextmanager
def docker_machine(env: Mapping[str, str] = {}) -> Iterator[Machine]:
    """A machine that sees the real processes; short in its path, as sockets need it."""
    root = Path(tempfile.mkdtemp(prefix="hp-", dir="/tmp"))
    machine = Machine(root, env=env)
    (root / "proc").symlink_to("/proc")
    removed = weakref.finalize(machine, shutil.rmtree, root, ignore_errors=True)
    try:
        yield machine
    finally:
        (root / "proc").unlink()
        removed()


@contextmanager
def running(*daemons: Dockerd) -> Iterator[None]:
    try:
        for daemon in daemons:
            daemon.start()
        yield
    finally:
        for daemon in daemons:
            daemon.stop()
