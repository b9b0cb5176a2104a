"""The commands themselves, on a real Docker daemon, with a real mirror of two doors."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homeport.cli import enroll as command
from homeport.cli.main import main
from homeport.enroll.__main__ import answer
from homeport.enroll.errors import ConflictError
from homeport.enroll.model import Mirror as Wanted
from homeport.enroll.model import MirrorKind
from homeport.enroll.probe import probe
from testbed.dockerds import CONFIG, Dockerd, docker_machine, running
from testbed.hub import Hub, free_port, hub
from testbed.machine import Machine
from testbed.mirror import Mirror, mirror, upstream
from testbed.scenes import scene

USERS = b'{\n\t"debug" : true,\n\t"registry-mirrors": [ "http://127.0.0.1:9/" ]\n}'


@pytest.fixture(scope="module")
def docker_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub(Path(tmp_path_factory.mktemp("hub"))) as made:
        made.push("corp/only-here:1")
        yield made


@pytest.fixture(scope="module")
def served(docker_hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A registry at `address`; Docker's door is another listener."""
    text = f"""[mirror]
data = "{{data}}"
[[mirror.listeners]]
address = "{{address}}"
role = "registry"
[[mirror.listeners]]
address = "127.0.0.1:{free_port()}"
role = "docker-mirror"
"""
    text += upstream("docker.io", docker_hub.address)
    with mirror(Path(tmp_path_factory.mktemp("mirror")), text) as made:
        yield made


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with docker_machine() as made:
        yield made


@pytest.fixture(scope="module")
def docker(machine: Machine) -> Iterator[Dockerd]:
    machine.write(CONFIG, USERS, mode=0o640)
    daemon = Dockerd(machine, "docker")
    with running(daemon):
        yield daemon


@pytest.fixture
def enroll(machine: Machine, monkeypatch: pytest.MonkeyPatch, capsysbinary: Any) -> Any:
    """`homeport enroll …` on the tests' machine; the exit status and what it has printed."""
    for name in ("detect", "plan", "apply", "verify", "undo", "status", "watch"):
        module = __import__(f"homeport.cli.enroll_{name}", fromlist=["this_host"])
        monkeypatch.setattr(module, "this_host", lambda: machine.host)
    monkeypatch.setattr(command, "this_host", lambda: machine.host)

    def run(*words: str) -> tuple[int, Any, str]:
        capsysbinary.readouterr()
        status = main(["enroll", *words])
        out, err = capsysbinary.readouterr()
        text = out.decode()
        return status, json.loads(text) if "--json" in words else text, err.decode()

    return run


def test_one_url_finds_both_doors(served: Mirror) -> None:
    found = probe(Wanted(f"http://{served.address}", ""), {})
    assert found.mirror.kind is MirrorKind.HOMEPORT
    assert found.mirror.url == f"http://{served.address}"
    assert found.mirror.hub_url.startswith("http://127.0.0.1:")
    assert found.mirror.hub_url != found.mirror.url
    assert found.proven
    other = probe(Wanted(found.mirror.hub_url, ""), {})
    assert (other.mirror.url, other.mirror.hub_url) == (found.mirror.url, found.mirror.hub_url)


def test_a_plain_registry_is_proven_by_an_image_of_its_own(docker_hub: Hub) -> None:
    url = f"http://{docker_hub.direct}"
    found = probe(Wanted(url, "", canary="corp/only-here:1"), {})
    assert (found.mirror.kind, found.proven) == (MirrorKind.DISTRIBUTION, True)
    assert [one.code for one in probe(Wanted(url, ""), {}).findings] == ["not-proven"]


def test_the_commands_from_plan_to_undo(enroll: Any, docker: Dockerd, served: Mirror) -> None:
    machine, url = docker.machine, f"http://{served.address}"
    status, text, _ = enroll("detect", "--engine", "docker")
    assert (status, "Docker" in text) == (0, True)
    options = ("--mirror", url, "--engine", "docker")
    status, text, err = enroll("plan", "--check", *options)
    assert status == 1, err
    assert "+++ /etc/docker/daemon.json" in text
    assert "taken up by a reload" in text
    assert machine.at(CONFIG).read_bytes() == USERS

    status, text, err = enroll("apply", *options)
    assert status == 0, text + err
    assert ": done" in text
    assert len(docker.mirrors()) == 2
    assert machine.at(CONFIG).stat().st_mode & 0o777 == 0o640
    status, text, _ = enroll("apply", *options)
    assert (status, ": unchanged" in text) == (0, True)
    assert enroll("plan", "--check", "--engine", "docker")[0] == 0

    status, found, _ = enroll("verify", "--json")
    assert status == 0, found
    assert [proof["state"] for proof in found["proofs"]] == ["proven"], found
    assert "docker/" in found["proofs"][0]["came"]
    assert not docker.client.ok("images", "-q").strip()
    assert enroll("watch") == (0, "", "")

    docker.stop()
    docker.start()
    assert enroll("verify")[0] == 0

    place = machine.at(CONFIG)
    ours = place.read_bytes()
    place.write_bytes(USERS)
    status, text, _ = enroll("watch")
    assert (status, "drifted" in text) == (1, True)
    assert enroll("status", "--json")[1]["engines"][0]["state"] == "drifted"
    status, text, err = enroll("apply", "--engine", "docker")
    assert status == 0, text + err

    place.write_bytes(ours.replace(b"127.0.0.1:9", b"127.0.0.1:8"))
    status, _, err = enroll("undo")
    assert (status, f"{CONFIG}:3:1: error: registry-mirrors was changed" in err) == (2, True), err
    place.write_bytes(ours)
    status, text, err = enroll("undo")
    assert status == 0, err
    assert place.read_bytes() == USERS
    assert place.stat().st_mode & 0o777 == 0o640
    assert docker.mirrors() == ["http://127.0.0.1:9/"]
    assert enroll("undo")[1] == "nothing is enrolled here\n"
    assert enroll("status")[1] == "nothing is enrolled here\n"


def test_what_is_wrong_is_told_and_changes_nothing(
    enroll: Any, docker: Dockerd, served: Mirror
) -> None:
    place = docker.machine.at(CONFIG)
    status, _, err = enroll("apply", "--mirror", "http://127.0.0.1:9", "--engine", "docker")
    assert (status, "refuses connections" in err) == (3, True), err
    status, _, err = enroll("apply", "--mirror", f"https://{served.address}")
    assert (status, f"write http://{served.address}" in err) == (3, True), err
    status, _, err = enroll("apply", "--mirror", f"http://{served.address}/hub")
    assert (status, f"write http://{served.address}\n" in err) == (2, True), err
    status, _, err = enroll("plan")
    assert (status, "which mirror?" in err) == (2, True), err
    place.write_bytes(b'{"debug": true, "debug": false}')
    status, text, err = enroll(
        "apply", "--mirror", f"http://{served.address}", "--engine", "docker"
    )
    assert (status, "refused" in text, f"{CONFIG}:1:17" in err) == (1, True, True), text + err
    assert place.read_bytes() == b'{"debug": true, "debug": false}'
    place.write_bytes(USERS)


def test_a_command_that_is_killed_while_docker_is_changed_is_put_back(
    enroll: Any, docker: Dockerd, served: Mirror
) -> None:
    """SIGKILL between the write and the reload, and between the reload and the record."""
    place = docker.machine.at(CONFIG)
    for stop in (f"write {CONFIG}", "taken up"):
        script = f"""
import os, signal
from homeport.enroll.apply import apply
from homeport.enroll.enrolment import plan_enrolment
from homeport.enroll.host import Host
from homeport.enroll.model import Mirror, Request
host = Host(root={str(docker.machine.root)!r}, env={docker.machine.host.env!r})
url = "http://{served.address}"
plan = plan_enrolment(host, Request(Mirror(url, ""), engines=("docker",))).plan
apply(host, plan, passed=lambda name: name == {stop!r} and os.kill(os.getpid(), signal.SIGKILL))
"""
        done = subprocess.run(
            [sys.executable, "-c", script],
            check=False,
            capture_output=True,
            env=dict(os.environ),
            timeout=60,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        assert place.read_bytes() != USERS
        status, text, err = enroll("undo")
        assert status == 0, err
        assert "put back first" in text + err
        assert place.read_bytes() == USERS
        assert docker.mirrors() == ["http://127.0.0.1:9/"]


def test_another_registry_is_a_mirror_as_well(
    enroll: Any, docker: Dockerd, docker_hub: Hub
) -> None:
    place = docker.machine.at(CONFIG)
    options = ("--mirror", f"http://{docker_hub.direct}", "--engine", "docker")
    status, text, err = enroll("apply", *options)
    assert (status, "not proven" in err) == (0, True), text + err
    status, text, _ = enroll("verify")
    assert (status, "configured, not proven" in text) == (0, True), text
    for canary, state in (("corp/only-here:1", "proven"), ("corp/nowhere:1", "failed")):
        if state == "failed":
            status, _, err = enroll("verify", "--canary", canary)
            assert (status, "has no corp/nowhere:1" in err) == (3, True), err
        else:
            status, found, err = enroll("verify", "--canary", canary, "--json")
            assert [one["state"] for one in found["proofs"]] == [state], found
    assert enroll("undo")[0] == 0
    assert place.read_bytes() == USERS
    assert not docker.client.ok("images", "-q").strip()


def test_questions_and_answers_in_json(served: Mirror, tmp_path: Path) -> None:
    """As the fleet speaks with the zipapp: a plan is looked at, and just that is applied."""
    machine = scene("podman", tmp_path / "machine")
    before = {path: found for path, found in machine.files().items() if "homeport" not in path}

    def ask(name: str, question: object) -> Any:
        return json.loads(json.dumps(answer(name, json.loads(json.dumps(question)), machine.host)))

    mirror = {"url": f"http://{served.address}", "hub_url": ""}
    request = {"mirror": mirror, "engines": ["podman"], "registries": ["docker.io"]}
    assert [one["kind"] for one in ask("detect", {"engines": ["podman"]})["engines"]] == ["podman"]
    planned = ask("plan", {"request": request})
    assert planned["ok"]
    assert planned["probe"]["proven"]
    assert planned["plan"]["engines"][0]["changes"]
    done = ask("apply", {"plan": planned["plan"]})
    assert [one["state"] for one in done["results"]] == ["done"], done
    assert ask("status", {})["ok"]
    again = ask("apply", {"request": request})
    assert [one["state"] for one in again["results"]] == ["unchanged"], again
    with pytest.raises(ConflictError):
        ask("apply", {"plan": planned["plan"]})
    assert len(ask("undo", {})["undone"]) == 1
    after = {path: found for path, found in machine.files().items() if "homeport" not in path}
    assert after == before
