"""Machines of a small network on this one, each with its own network and its own files.

A machine is a process in a network and a mount namespace of its own; commands enter both. It has
this one's files, but what it writes to `/etc`, `/var/lib`, `/run` and its home stays its own, so
that an engine runs there as it does on any host, and nothing of this machine's is touched.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

COPIED = ("/etc", "/var/lib")
"""Seen as they are here; what a machine writes there is its own (overlayfs)."""

OWN = ("/run", "/var/lib/docker", "/var/lib/containerd", "/var/lib/containers")
"""Empty at first."""


class Machine:
    """Made by `start`. `hosts` are the names that it knows; it asks no name server."""

    def __init__(self, name: str, folder: Path, hosts: Mapping[str, str]) -> None:
        self.name = name
        self.folder = folder
        self.home = folder / "home"
        self._processes: list[subprocess.Popen[bytes]] = []
        self.home.mkdir(parents=True)
        (folder / "hosts").write_text(
            "127.0.0.1 localhost\n" + "".join(f"{ip} {host}\n" for host, ip in hosts.items())
        )
        (folder / "resolv.conf").write_text("nameserver 192.0.2.1\noptions timeout:1 attempts:1\n")
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "sleep", "infinity"],
            stdin=subprocess.DEVNULL,
        )
        self._await_namespaces()
        for place in COPIED:
            upper, work = (folder / part / place.lstrip("/") for part in ("upper", "work"))
            upper.mkdir(parents=True)
            work.mkdir(parents=True)
            layers = f"lowerdir={place},upperdir={upper},workdir={work}"
            self.ok("mount", "-t", "overlay", "-o", layers, "overlay", place)
        for place in OWN:
            inside = folder / "own" / place.lstrip("/")
            inside.mkdir(parents=True)
            self.ok("mkdir", "-p", place)
            self.ok("mount", "--bind", str(inside), place)
        for file in ("hosts", "resolv.conf"):
            self.ok("mount", "--bind", str(folder / file), f"/etc/{file}")
        self.ok("ip", "link", "set", "lo", "up")

    @property
    def pid(self) -> int:
        return self._holder.pid

    def enter(self, command: Sequence[str]) -> list[str]:
        """The words that run a command on this machine."""
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--", *command]

    def run(
        self, *command: str, cwd: Path | None = None, limit: float = 180
    ) -> "subprocess.CompletedProcess[str]":
        """Run to the end, as root at home, with both outputs in one."""
        return subprocess.run(
            self.enter(["env", f"--chdir={cwd or '/'}", *command]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._env(),
            text=True,
            check=False,
            timeout=limit,
        )

    def ok(self, *command: str, cwd: Path | None = None) -> str:
        """As `run`, for what must succeed."""
        done = self.run(*command, cwd=cwd)
        if done.returncode:
            raise AssertionError(f"{self.name}: {' '.join(command)}:\n{done.stdout}")
        return done.stdout

    def serve(self, *command: str) -> "subprocess.Popen[bytes]":
        """Start something that goes on; its output is in the machine's folder."""
        name = Path(command[0]).name
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                self.enter(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env(),
            )
        self._processes.append(process)
        return process

    def await_success(self, *command: str, limit: float = 40) -> None:
        end = time.monotonic() + limit
        while (done := self.run(*command)).returncode:
            if time.monotonic() > end:
                raise AssertionError(f"{self.name}: {' '.join(command)}:\n{done.stdout}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End everything that was started here, the last first."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._holder.send_signal(signal.SIGKILL)
        self._holder.wait()

    def _env(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
        }

    def _await_namespaces(self) -> None:
        """Until `unshare` has made them and become `sleep`."""
        end = time.monotonic() + 5
        while Path(f"/proc/{self.pid}/comm").read_text().strip() != "sleep":
            if time.monotonic() > end:
                raise AssertionError("no namespaces: this needs root")
            time.sleep(0.01)


def connect(one: Machine, other: Machine, network: str) -> None:
    """A cable between two machines: `network` is `10.77.1`; they are .1 and .2."""
    left, right = f"to{other.pid}", f"to{one.pid}"
    subprocess.run(["ip", "link", "add", left, "type", "veth", "peer", "name", right], check=True)
    for machine, name, number in ((one, left, 1), (other, right, 2)):
        subprocess.run(["ip", "link", "set", name, "netns", str(machine.pid)], check=True)
        machine.ok("ip", "address", "add", f"{network}.{number}/24", "dev", name)
        machine.ok("ip", "link", "set", name, "up")
