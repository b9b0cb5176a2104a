"""A closed network, cured by homeport's own commands: `make demo-closed-network`.

Three machines: an internet with a Docker Hub, a mirror that alone may reach it, and a developer's
that reaches the mirror alone. Every command is printed with what it says; the last line says if all
came out as it should. `--json FILE` writes what was seen.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from images import write_layout
from machines import Machine, connect

HOMEPORT = str(Path(sys.executable).with_name("homeport"))
MIRROR = "https://mirror.corp:5443"
TTL = 2
TOUCHED = (
    "/etc/buildkit",
    "/etc/containerd",
    "/etc/containers",
    "/etc/default",
    "/etc/docker",
    "/etc/gitlab-runner",
    "/etc/rancher",
    "/etc/systemd",
)
"""Where an enrolment could write."""

MIRROR_CONFIG = """
[mirror]
data = "/var/lib/homeport/mirror"
[[mirror.listeners]]
role = "docker-mirror"
address = "10.77.2.1:5000"
external_url = "https://mirror.corp:5000"
tls = { certificate = "tls/mirror.crt", key = "tls/mirror.key" }
[[mirror.listeners]]
role = "registry"
address = "10.77.2.1:5443"
external_url = "https://mirror.corp:5443"
tls = { certificate = "tls/mirror.crt", key = "tls/mirror.key" }
[mirror.upstreams."docker.io"]
urls = ["http://10.77.1.1:5000"]
tag_ttl = "2s"
connect_timeout = "2s"
answer_timeout = "3s"
"""

PIPELINE = """
test:
  image: alpine:3.20
  services:
    - name: nginx:1
      alias: web
  script:
    - test -f /bin/busybox
    - wget -q -O - http://web/ | grep 'hello from the service'
"""

COMPOSE = """
version: "2.4"
services:
  app:
    image: alpine:3.20
  web:
    image: nginx:1
"""


class Story:
    """Prints and remembers what was done. `seen` is one entry for each step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: list[dict[str, Any]] = []

    def chapter(self, title: str) -> None:
        print(f"\n=== {title}", flush=True)

    def do(self, machine: Machine, *command: str, expect: int | None = 0, **more: Any) -> str:
        """Run a command as a user would type it; `expect` None takes every failure."""
        words = ["homeport" if word == HOMEPORT else word for word in command]
        print(f"\n{machine.name}$ {' '.join(words)}", flush=True)
        began = time.monotonic()
        done = machine.run(*command, **more)
        print(done.stdout.rstrip(), flush=True)
        right = done.returncode != 0 if expect is None else done.returncode == expect
        self.seen.append(
            {
                "machine": machine.name,
                "command": words,
                "status": done.returncode,
                "right": right,
                "seconds": round(time.monotonic() - began, 2),
                "said": done.stdout,
            }
        )
        if not right:
            print(f"--- this should have ended with {expect}, and ended with {done.returncode}")
        return done.stdout

    def check(self, what: str, right: bool, said: str = "") -> None:
        print(f"{'ok' if right else 'WRONG'}: {what}", flush=True)
        if said and not right:
            print(said)
        self.seen.append({"check": what, "right": right, "said": said})

    @property
    def right(self) -> bool:
        return all(step["right"] for step in self.seen)


class Network:
    """The three machines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = {"mirror.corp": "10.77.2.1"}
        self._machines: list[Machine] = []
        self.internet = self._machine("internet", {})
        self.mirror = self._machine("mirror", names)
        self.dev = self._machine("dev", names)

    def connect(self) -> None:
        connect(self.internet, self.mirror, "10.77.1")
        connect(self.mirror, self.dev, "10.77.2")

    def stop(self) -> None:
        for machine in reversed(self._machines):
            machine.stop()

    def _machine(self, name: str, hosts: dict[str, str]) -> Machine:
        machine = Machine(name, self.folder / name, hosts)
        self._machines.append(machine)
        return machine

    def fill_the_internet(self) -> None:
        """Docker Hub: docker-registry with two images."""
        config = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "hub")}},
            "http": {"addr": "10.77.1.1:5000"},
        }
        file = self.folder / "registry.json"
        file.write_text(json.dumps(config))
        self.internet.serve("docker-registry", "serve", str(file))
        self.internet.await_success("bash", "-c", ": </dev/tcp/10.77.1.1/5000")
        shell = ["/bin/sh"]
        web = ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"]
        for name, command, port in (("alpine:3.20", shell, None), ("nginx:1", web, 80)):
            layout = self.folder / name.partition(":")[0]
            write_layout(layout, command, exposed=port)
            self.internet.ok(
                *("skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false"),
                *(f"oci:{layout}:it", f"docker://10.77.1.1:5000/library/{name}"),
            )

    def start_docker(self) -> None:
        self.dev.serve(
            "dockerd",
            "--iptables=false",
            "--ip-masq=false",
            "--bip=10.78.0.1/24",
            "--default-address-pool=base=10.79.0.0/16,size=24",
        )
        self.dev.await_success("docker", "version")

    def start_mirror(self) -> "subprocess.Popen[bytes]":
        config = str(self.mirror.home / "homeport.toml")
        process = self.mirror.serve(HOMEPORT, "mirror", "serve", "--config", config)
        self.mirror.await_success("bash", "-c", ": </dev/tcp/10.77.2.1/5443")
        return process

    def cut_the_internet(self) -> None:
        """Packets are dropped, as a firewall does it: nobody is told."""
        self.internet.ok("iptables", "-I", "INPUT", "-j", "DROP")


def tell(story: Story, network: Network) -> None:
    dev, mirror = network.dev, network.mirror
    project = network.folder / "project"
    project.mkdir()
    (project / ".gitlab-ci.yml").write_text(PIPELINE)
    (project / "docker-compose.yml").write_text(COMPOSE)
    for command in (
        ("init", "-q", "-b", "main"),
        ("add", "."),
        ("-c", "user.name=Dev", "-c", "user.email=dev@corp", "commit", "-qm", "a pipeline"),
    ):
        dev.ok("git", "-c", "safe.directory=*", *command, cwd=project)

    story.chapter("The network is closed: nothing that names Docker Hub works")
    story.do(dev, "docker", "pull", "alpine:3.20", expect=None)
    said = story.do(dev, HOMEPORT, "run", cwd=project, expect=1)
    story.check("homeport names the cure", "homeport enroll" in said, said)

    story.chapter("A mirror, on the one machine that may reach the internet")
    (mirror.home / "homeport.toml").write_text(MIRROR_CONFIG)
    home = mirror.home
    story.do(mirror, HOMEPORT, "mirror", "ca", "init", "ca", "--name", "Corp CA", cwd=home)
    story.do(
        mirror,
        *(HOMEPORT, "mirror", "ca", "issue", "mirror.corp", "--ca", "ca"),
        *("--certificate", "tls/mirror.crt", "--key", "tls/mirror.key"),
        cwd=home,
    )
    story.do(mirror, HOMEPORT, "mirror", "check", "--config", "homeport.toml", cwd=home)
    serving = network.start_mirror()
    ca = network.folder / "ca.pem"
    ca.write_bytes((home / "ca/ca.pem").read_bytes())

    story.chapter("The developer's engine is enrolled, and proves it")
    before = fingerprint(dev)
    options = ("--mirror", MIRROR, "--ca", str(ca), "--engine", "docker")
    story.do(dev, HOMEPORT, "enroll", "plan", *options)
    story.do(dev, HOMEPORT, "enroll", "apply", *options)
    story.do(dev, HOMEPORT, "enroll", "verify")
    story.do(dev, HOMEPORT, "run", cwd=project)
    story.do(dev, "docker", "rmi", "-f", "alpine:3.20", "nginx:1")
    story.do(dev, "docker-compose", "pull", cwd=project)
    audit = ("mirror", "audit", "query", "--config", "homeport.toml")
    said = story.do(mirror, HOMEPORT, *audit, cwd=home)
    story.check("the audit says who pulled what", "library/alpine" in said and "10.77.2.2" in said)

    story.chapter(
        "The internet is cut, the tags are old, the mirror starts anew, the images are gone"
    )
    network.cut_the_internet()
    time.sleep(TTL + 1)
    serving.terminate()
    serving.wait(60)
    network.start_mirror()
    story.do(dev, "docker", "rmi", "-f", "alpine:3.20", "nginx:1")
    story.do(dev, HOMEPORT, "run", cwd=project)
    said = story.do(mirror, HOMEPORT, *audit, "--cache", "stale", cwd=home)
    story.check("the audit says that it was stale", "stale" in said)

    story.chapter("Undone: every file is as it was")
    story.do(dev, HOMEPORT, "enroll", "undo")
    changed = difference(before, fingerprint(dev))
    story.check("every file is as it was", not changed, changed)
    story.do(dev, "docker", "pull", "alpine:latest", expect=None)


def fingerprint(machine: Machine) -> dict[str, str]:
    """Type, mode, owner and content of everything that an enrolment could touch."""
    roots = [*TOUCHED, *(str(machine.home / name) for name in (".config", ".docker"))]
    listing = machine.run("find", *roots, "-printf", "%p\t%y%m %u:%g %l\n").stdout
    found = dict(line.split("\t", 1) for line in listing.splitlines() if "\t" in line)
    sums = machine.run("find", *roots, "-type", "f", "-exec", "sha256sum", "{}", "+").stdout
    for line in sums.splitlines():
        content, _, path = line.partition("  ")
        if path in found:
            found[path] += f" {content[:16]}"
    return found


def difference(before: dict[str, str], after: dict[str, str]) -> str:
    """The paths that are not as before."""
    paths = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    return "\n".join(f"{path}: {before.get(path)} -> {after.get(path)}" for path in paths)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write what was seen")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("this makes network namespaces and starts an engine: run it as root", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="homeport-closed-", dir="/tmp") as folder:
        story = Story(Path(folder))
        network = Network(Path(folder))
        try:
            network.connect()
            network.fill_the_internet()
            network.start_docker()
            tell(story, network)
        finally:
            network.stop()
    if options.json:
        Path(options.json).write_text(json.dumps(story.seen, indent=1))
    print(f"\n{'All came out as it should.' if story.right else 'NOT everything came out right.'}")
    return 0 if story.right else 1


if __name__ == "__main__":
    sys.exit(main())
