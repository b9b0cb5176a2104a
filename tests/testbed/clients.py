"""Container clients that pull from and push to a mirror.

A Docker engine of the tests' own, ctr on its containerd; podman, buildah and skopeo with a home of
their own.
"""

import json
import os
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.hub import wait_for

_LIMIT = 120.0


class Client:
    """A client's command line; `run` gives the exit status and everything that it said."""

    def __init__(self, folder: Path, *command: str, env: Mapping[str, str] = {}) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._command = command
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "TMPDIR": str(folder),
            **env,
        }

    def run(self, *args: str, stdin: str = "", limit: float = _LIMIT) -> tuple[int, str]:
        done = subprocess.run(
            [*self._command, *args],
            env=self._env,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=limit,
        )
        return done.returncode, done.stdout

    def ok(self, *args: str, stdin: str = "") -> str:
        """As `run`, for what must succeed."""
        status, said = self.run(*args, stdin=stdin)
        assert status == 0, said
        return said


@contextmanager
def docker(folder: Path, config: Mapping[str, Any]) -> Iterator[Client]:
    """The docker command on an engine of its own, whose daemon.json is `config`.

    The engine's containerd is at `folder/exec/containerd/containerd.sock`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "daemon.json").write_text(json.dumps(config))
    address = f"unix://{folder / 'docker.sock'}"
    command = [
        "dockerd",
        f"--config-file={folder / 'daemon.json'}",
        f"--data-root={folder / 'data'}",
        f"--exec-root={folder / 'exec'}",
        f"--pidfile={folder / 'docker.pid'}",
        f"--host={address}",
        "--bridge=none",
        "--iptables=false",
        "--ip-forward=false",
        "--ip-masq=false",
        # Nothing is run, only stored; and a test's folder may lie on an overlay itself.
        "--storage-driver=vfs",
    ]
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    client = Client(folder / "home", "docker", "--host", address)
    try:

        def serves() -> bool:
            assert process.poll() is None, (folder / "dockerd.log").read_text()[-3000:]
            return client.run("version")[0] == 0

        wait_for(serves, 60, "dockerd does not serve")
        yield client
    finally:
        process.terminate()
        process.wait(30)


def ctr(folder: Path, socket: Path) -> Client:
    """ctr on a containerd."""
    return Client(folder, "ctr", "--address", str(socket), "--namespace", "test")


def podman(folder: Path, registries: str) -> Client:
    """podman with a store of its own and the text of a registries.conf."""
    return _containers(folder, registries, "podman", "--cgroup-manager=cgroupfs")


def buildah(folder: Path, registries: str) -> Client:
    return _containers(folder, registries, "buildah")


def skopeo(folder: Path, registries: str) -> Client:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "registries.conf").write_text(registries)
    config = str(folder / "registries.conf")
    return Client(folder, "skopeo", "--insecure-policy", "--registries-conf", config)


def _containers(folder: Path, registries: str, *command: str) -> Client:
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / ".config" / "containers"
    config.mkdir(parents=True, exist_ok=True)
    (config / "registries.conf").write_text(registries)
    (config / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    (folder / "auth.json").write_text("{}")
    env = {
        "CONTAINERS_REGISTRIES_CONF": str(config / "registries.conf"),
        "REGISTRY_AUTH_FILE": str(folder / "auth.json"),
    }
    # Podman refuses a run root with a long path, as those of tests have.
    run = tempfile.mkdtemp(prefix="homeport-", dir="/tmp")
    store = [f"--root={folder / 'root'}", f"--runroot={run}", "--storage-driver=vfs"]
    client = Client(folder, *command, *store, env=env)
    weakref.finalize(client, shutil.rmtree, run, ignore_errors=True)
    return client
