"""Three hosts in namespaces, each with its own sshd and dockerd: enrolled, proven, drifted, broken,
undone. And hosts that are none: one with another's key, one without Python."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

MACHINES = Path(__file__).parents[3] / "example" / "closed_network" / "machines.py"
HOMEPORT = str(Path(sys.executable).with_name("homeport"))
URL = "https://mirror.corp:5443"
CONFIG = "/etc/docker/daemon.json"
USERS = {
    "one": ('{\n\t"debug" : true,\n\t"labels": [ "a=b" ]\n}', "640", "0:1"),
    "two": None,
    "three": ('{"log-level": "info"}\n', "600", "0:0"),
}
MIRROR = """
[mirror]
data = "/var/lib/homeport/mirror"
[[mirror.listeners]]
role = "docker-mirror"
address = "0.0.0.0:5000"
external_url = "https://mirror.corp:5000"
tls = { certificate = "tls/mirror.crt", key = "tls/mirror.key" }
[[mirror.listeners]]
role = "registry"
address = "0.0.0.0:5443"
external_url = "https://mirror.corp:5443"
tls = { certificate = "tls/mirror.crt", key = "tls/mirror.key" }
[mirror.upstreams."docker.io"]
urls = ["http://127.0.0.1:9"]
"""
SSHD = """
Port 22
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys /run/%u/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make network namespaces"),
]


def _machines() -> Any:
    spec = importlib.util.spec_from_file_location("closed_network_machines", MACHINES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Fleet:
    """A control machine, which is the mirror's as well, and its hosts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.module = _machines()
        self.hosts: dict[str, Any] = {}
        self.started: list[Any] = []
        self.control = self._machine("control", {"mirror.corp": "127.0.0.1"})
        self.inventory = folder / "hosts.ini"

    def _machine(self, name: str, hosts: dict[str, str]) -> Any:
        machine = self.module.Machine(name, self.folder / name, hosts)
        self.started.append(machine)
        return machine

    def start(self) -> None:
        (self.control.home / "homeport.toml").write_text(MIRROR)
        home = self.control.home
        issued = ("--certificate", "tls/mirror.crt", "--key", "tls/mirror.key")
        ca = (HOMEPORT, "mirror", "ca")
        self.control.ok(*ca, "init", "ca", "--name", "Corp CA", cwd=home)
        self.control.ok(*ca, "issue", "mirror.corp", "--ca", "ca", *issued, cwd=home)
        self.control.serve(HOMEPORT, "mirror", "serve", "--config", str(home / "homeport.toml"))
        keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f")
        subprocess.run([*keygen, str(home / "key")], check=True, stdin=subprocess.DEVNULL)
        known, lines = [], []
        names = [*USERS, "bare"]
        for number, name in enumerate(names, 1):
            host = self._machine(name, {"mirror.corp": f"10.88.{number}.1"})
            self.hosts[name] = host
            self.module.connect(self.control, host, f"10.88.{number}")
            self._serve_ssh(host)
            key = (host.folder / "host_key.pub").read_text()
            known.append(f"10.88.{number}.2 {key}")
            lines.append(f"{name} ansible_host=10.88.{number}.2\n")
        other = (self.hosts["two"].folder / "host_key.pub").read_text()
        (home / "known_hosts").write_text("".join(known) + f"impostor {other}")
        options = f"-F none -o UserKnownHostsFile={home}/known_hosts"
        careless = f"{options} -o HostKeyAlias=impostor -o StrictHostKeyChecking=no"
        self.inventory.write_text(
            "[engines]\n"
            + "".join(lines[:3])
            + "[odd]\n"
            + lines[3]
            + "impostor ansible_host=10.88.1.2 ansible_host_key_checking=false "
            f"ansible_ssh_common_args='{careless}'\n"
            "gone ansible_host=10.88.1.2 ansible_port=9\n"
            f"[all:vars]\nansible_user=root\nansible_ssh_private_key_file={home}/key\n"
            f"ansible_ssh_common_args='{options}'\n"
        )
        for name, was in USERS.items():
            host = self.hosts[name]
            host.ok("rm", "-rf", "/etc/docker")
            if was is not None:
                text, mode, owner = was
                host.ok("mkdir", "/etc/docker")
                self.write(name, text)
                host.ok("chmod", mode, CONFIG)
                host.ok("chown", owner, CONFIG)
            host.serve("dockerd", "--iptables=false", "--ip-masq=false", "--bridge=none")
        for path in ("/usr/bin/python3", "/usr/local/bin/python3"):
            self.hosts["bare"].run("mount", "--bind", "/dev/null", path)
            for minor in range(9, 15):
                self.hosts["bare"].run("mount", "--bind", "/dev/null", f"{path}.{minor}")
        self.control.await_success("bash", "-c", ": </dev/tcp/127.0.0.1/5443")
        for name in USERS:
            self.hosts[name].await_success("docker", "version")

    def _serve_ssh(self, host: Any) -> None:
        folder = host.folder
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host_key")],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        public = (self.control.home / "key.pub").read_bytes()
        (folder / "authorized_keys").write_bytes(public)
        (folder / "sshd.conf").write_text(SSHD.format(folder=folder))
        tmp = folder / "tmp"
        tmp.mkdir(mode=0o1777)
        host.ok("mount", "--bind", str(host.home), "/root")
        host.ok("mkdir", "-p", "/run/sshd")
        host.serve("/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd.conf"))
        host.await_success("bash", "-c", ": </dev/tcp/127.0.0.1/22")

    def write(self, name: str, text: str) -> None:
        """As a user writes it: mode and owner stay."""
        self.hosts[name].ok("sh", "-c", 'printf %s "$1" >"$2"', "sh", text, CONFIG)

    def command(self, *words: str) -> list[str]:
        return [HOMEPORT, "enroll", "fleet", *words, "--inventory", str(self.inventory)]

    def run(self, *words: str, expect: int = 0) -> dict[str, Any]:
        done = self.control.run(*self.command(*words), "--json", "--forks", "3", limit=100)
        assert done.returncode == expect, done.stdout[-6000:]
        found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("\n{\n") :])
        return found

    def apply(self, *words: str, expect: int = 0) -> dict[str, Any]:
        ca = str(self.control.home / "ca" / "ca.pem")
        options = ("--mirror", URL, "--ca", ca, "--engine", "docker")
        return self.run("apply", *options, "--limit", "engines", *words, expect=expect)

    def print(self, name: str) -> str:
        """Type, mode, owner and content of everything below the folders that matter."""
        host = self.hosts[name]
        roots = ("/etc/docker", "/etc/containers", "/root")
        listing = host.run("find", *roots, "-printf", "%p %y%m %u:%g %l\n").stdout
        sums = host.run("find", *roots, "-type", "f", "-exec", "sha256sum", "{}", "+").stdout
        return "\n".join(sorted(listing.splitlines())) + "\n" + "\n".join(sorted(sums.splitlines()))

    def leftovers(self) -> list[str]:
        """Programs and their folders; hosts share this machine's /tmp."""
        return sorted(str(path) for path in Path("/tmp").glob("ansible.*.homeport"))

    def stop(self) -> None:
        for machine in reversed(self.started):
            machine.stop()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = Fleet(Path(tmp_path_factory.mktemp("fleet")))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def states(report: dict[str, Any]) -> dict[str, str]:
    return {host["host"]: host["state"] for host in report["hosts"]}


def what(report: dict[str, Any], name: str) -> str:
    rows = [row for host in report["hosts"] if host["host"] == name for row in host["rows"]]
    return " ".join(row["what"] for row in rows)


def test_a_fleet_is_enrolled_and_undone(fleet: Fleet, tmp_path: Path) -> None:
    before = {name: fleet.print(name) for name in USERS}
    left = fleet.leftovers()

    # What would be done.
    ca = str(fleet.control.home / "ca" / "ca.pem")
    plan = fleet.command("plan", "--mirror", URL, "--ca", ca, "--engine", "docker", "--diff")
    done = fleet.control.run(*plan, "--limit", "two")
    assert done.returncode == 1, done.stdout
    assert "=== two" in done.stdout
    assert f"+++ {CONFIG}" in done.stdout
    assert "1 drifted" in done.stdout
    assert fleet.print("two") == before["two"]

    # One is broken: the wave after its own is not begun, and its file is left as it is.
    broken = '{"debug": true,}'
    fleet.write("one", broken)
    report = fleet.apply("--wave", "1", expect=1)
    assert states(report) == {"one": "failed", "three": "not begun", "two": "not begun"}
    assert f"{CONFIG}:1:" in what(report, "one")
    assert fleet.hosts["one"].ok("cat", CONFIG) == broken
    assert [fleet.print(name) for name in ("two", "three")] == [before["two"], before["three"]]

    # The others are enrolled all the same where that is asked for.
    report = fleet.apply("--wave", "1", "--keep-going", expect=1)
    assert states(report) == {"one": "failed", "three": "enrolled", "two": "enrolled"}
    assert fleet.hosts["one"].ok("cat", CONFIG) == broken

    # Mended: all are, twice changes nothing, and each proves it.
    fleet.write("one", USERS["one"][0])  # type: ignore[index]
    report = fleet.apply("--wave", "2")
    assert set(states(report).values()) == {"enrolled"}
    assert what(report, "two") == "unchanged"
    report = fleet.run("verify", "--limit", "engines")
    proofs = {row["host"]: row["proven"] for host in report["hosts"] for row in host["rows"]}
    assert proofs == {"one": "yes", "two": "yes", "three": "yes"}

    # Somebody edits by hand.
    enrolled = fleet.hosts["three"].ok("cat", CONFIG)
    edited = {**json.loads(enrolled), "registry-mirrors": ["https://elsewhere.example/"]}
    fleet.write("three", json.dumps(edited))
    page = tmp_path / "fleet.html"
    report = fleet.run("status", "--html", str(page), expect=1)
    assert states(report) == {
        "bare": "unsupported",
        "gone": "unreachable",
        "impostor": "unreachable",
        "one": "enrolled",
        "three": "drifted",
        "two": "enrolled",
    }
    assert "host key" in what(report, "impostor").lower(), what(report, "impostor")
    assert CONFIG in what(report, "three")
    assert "drifted" in page.read_text()

    # Undo does not write over that edit.
    report = fleet.run("undo", "--limit", "engines", expect=1)
    assert states(report) == {"one": "undone", "three": "failed", "two": "undone"}
    assert json.loads(fleet.hosts["three"].ok("cat", CONFIG)) == edited

    # Somebody takes ours away; it is put right, and then everything is taken back.
    text, _, _ = USERS["three"]  # type: ignore[misc]
    fleet.write("three", text)
    assert states(fleet.run("status", "--limit", "three", expect=1)) == {"three": "drifted"}
    fleet.apply("--limit", "three")
    assert fleet.hosts["three"].ok("cat", CONFIG) == enrolled
    report = fleet.run("undo", "--limit", "engines")
    assert states(report) == {"one": "not enrolled", "three": "undone", "two": "not enrolled"}
    for name in USERS:
        assert fleet.print(name).splitlines() == before[name].splitlines(), name
    assert fleet.leftovers() == left
    assert not list(fleet.control.home.glob(".ansible/tmp/*"))


def test_a_user_becomes_root_by_sudo_without_a_password(fleet: Fleet) -> None:
    left, before = fleet.leftovers(), fleet.print("two")
    host, home = fleet.hosts["two"], "/run/deployer"
    host.ok("useradd", "--system", "--password", "*", "--home-dir", home, "deployer")
    host.ok("install", "-d", "-o", "deployer", home)
    host.ok("install", "-o", "deployer", str(host.folder / "authorized_keys"), home)
    rule = "deployer ALL=(ALL) NOPASSWD: ALL"
    host.ok("sh", "-c", 'umask 337; echo "$1" >/etc/sudoers.d/deployer', "sh", rule)
    text = fleet.inventory.read_text()
    fleet.inventory.write_text(text.replace("two ", "two ansible_user=deployer ", 1))
    try:
        report = fleet.apply("--limit", "two", expect=1)
        assert "may not write" in what(report, "two"), report
        assert "sudo" in what(report, "two"), report
        assert fleet.print("two") == before
        assert states(fleet.apply("--limit", "two", "--become")) == {"two": "enrolled"}
        assert json.loads(host.ok("cat", CONFIG))["registry-mirrors"]
        assert host.ok("stat", "-c", "%U", CONFIG) == "root\n"
        for command, state in (("status", "enrolled"), ("undo", "undone")):
            report = fleet.run(command, "--limit", "two", "--become")
            assert states(report) == {"two": state}
        # And not what he may not.
        host.ok("rm", "/etc/sudoers.d/deployer")
        report = fleet.apply("--limit", "two", "--become", expect=1)
        assert "password" in what(report, "two"), report
    finally:
        fleet.inventory.write_text(text)
    assert fleet.print("two") == before
    assert fleet.leftovers() == left


CUT = """#!/bin/sh
case "$*" in
*enroll.pyz*undo*)
    pid=$$
    while [ "$(cat /proc/$pid/comm)" != sshd ]; do pid=$(cut -d ' ' -f 4 /proc/$pid/stat); done
    kill -9 "$pid"
    sleep 1 ;;
esac
exec /usr/bin/python3 "$@"
"""


def test_a_connection_that_breaks_at_work_stops_the_waves_and_leaves_nothing(
    fleet: Fleet, tmp_path: Path
) -> None:
    left = fleet.leftovers()
    cut = tmp_path / "cut"
    cut.write_text(CUT)
    cut.chmod(0o755)
    text = fleet.inventory.read_text()
    fleet.inventory.write_text(text.replace("one ", f"one ansible_python_interpreter={cut} ", 1))
    try:
        report = fleet.run("undo", "--limit", "engines", "--wave", "1", expect=1)
    finally:
        fleet.inventory.write_text(text)
    assert states(report) == {"one": "unreachable", "three": "not begun", "two": "not begun"}
    assert [host["left"] for host in report["hosts"]] == ["", "", ""]
    assert fleet.leftovers() == left


@pytest.mark.parametrize("presses", [1, 2])
def test_an_interrupted_run_leaves_no_program_behind(fleet: Fleet, presses: int) -> None:
    left = fleet.leftovers()
    began = time.monotonic()
    process = subprocess.Popen(
        fleet.control.enter(fleet.command("undo", "--limit", "engines", "--wave", "1")),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=fleet.control._env(),
        text=True,
    )
    try:
        while fleet.leftovers() == left and process.poll() is None:
            assert time.monotonic() - began < 30
            time.sleep(0.01)
        for _ in range(presses):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        said, _ = process.communicate(timeout=60)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
    assert process.returncode == 130, said
    assert "brought to their end" in said
    assert fleet.leftovers() == left, said
    if presses == 1:
        assert "one: not enrolled" in said
    else:
        assert "interrupted" in said
    assert "1 not begun" not in said
    assert "2 not begun" in said
