"""A daemon takes its file up, is asked what it holds, and is cleared before an undo."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.enroll.direct import apply_directly, undo_directly
from homeport.enroll.engines import docker_reload
from homeport.enroll.engines.docker import Docker
from homeport.enroll.engines.docker_api import split
from homeport.enroll.errors import CannotPullError, EngineError, EnrollError
from homeport.enroll.host import Ran
from homeport.enroll.model import Effect, Engine, EnginePlan, Mirror, MirrorKind, Request
from testbed.fake_docker import FakeDocker, fake_docker
from testbed.machine import Machine

DOCKER = Docker()
CONFIG = "/etc/docker/daemon.json"
URL = "http://127.0.0.1:1"
WANTED = Request(Mirror(URL, URL, MirrorKind.HOMEPORT))


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDocker]:
    monkeypatch.setattr(docker_reload, "RELOAD", 0.2)
    monkeypatch.setattr(docker_reload, "RESTART", 0.2)
    machine = Machine(tmp_path, uid=0)
    machine.at("/etc/docker").mkdir(parents=True)
    machine.at("/etc/systemd/system").mkdir(parents=True)
    with fake_docker(machine) as made:
        made.be_process("-H", "fd://")
        yield made


def engine_of(daemon: FakeDocker) -> Engine:
    (engine,) = DOCKER.detect(daemon.machine.host)
    return engine


def plan(daemon: FakeDocker, request: Request = WANTED) -> EnginePlan:
    return DOCKER.plan(daemon.machine.host, engine_of(daemon), request)


def test_one_signal_and_no_other(daemon: FakeDocker) -> None:
    assert apply_directly(daemon.machine.host, DOCKER, plan(daemon)) == ()
    assert daemon.signals == [(os.getpid(), signal.SIGHUP)]
    assert daemon.mirrors == [f"{URL}/"]


def test_a_daemon_that_does_not_reload(daemon: FakeDocker) -> None:
    daemon.deaf = True
    with pytest.raises(EngineError, match="did not within"):
        apply_directly(daemon.machine.host, DOCKER, plan(daemon))


def test_a_daemon_that_holds_another_order(daemon: FakeDocker) -> None:
    daemon.machine.write(CONFIG, '{"registry-mirrors": ["http://a"]}')
    found = plan(daemon)
    assert apply_directly(daemon.machine.host, DOCKER, found) == ()
    daemon.mirrors.reverse()
    (finding,) = DOCKER.confirm(daemon.machine.host, found)
    assert (finding.code, finding.severity) == ("docker-mismatch", "error")


def test_dockerd_validates_before_it_is_told(daemon: FakeDocker) -> None:
    said = "unable to configure the Docker daemon"
    daemon.machine.answer("/usr/bin/dockerd", "--validate", says=Ran(1, "", said))
    with pytest.raises(EngineError, match=said):
        apply_directly(daemon.machine.host, DOCKER, plan(daemon))
    assert daemon.signals == []


def test_a_release_without_validate_is_not_asked_to(daemon: FakeDocker) -> None:
    daemon.version["Version"] = "20.10.24"
    apply_directly(daemon.machine.host, DOCKER, plan(daemon))
    assert not [call for call in daemon.machine.calls if "--validate" in call]


def test_an_undo_clears_first(daemon: FakeDocker) -> None:
    found = plan(daemon)
    apply_directly(daemon.machine.host, DOCKER, found)
    undo_directly(daemon.machine.host, DOCKER, found)
    assert daemon.mirrors == []
    assert daemon.machine.host.state(CONFIG) is None


def test_clearing_keeps_what_the_user_has_added(daemon: FakeDocker) -> None:
    found = plan(daemon)
    apply_directly(daemon.machine.host, DOCKER, found)
    daemon.machine.write(CONFIG, '{"debug": true, "registry-mirrors": ["http://127.0.0.1:1"]}')
    DOCKER.before_undo(daemon.machine.host, found.engine, found.changes)
    assert daemon.machine.text(CONFIG) == '{"debug": true, "registry-mirrors": []}'
    assert daemon.mirrors == []


@pytest.mark.parametrize("text", ["{", '{"a": 1, "a": 2}'])
def test_clearing_a_broken_file_says_what_is_left(daemon: FakeDocker, text: str) -> None:
    found = plan(daemon)
    apply_directly(daemon.machine.host, DOCKER, found)
    daemon.machine.write(CONFIG, text)
    with pytest.raises(EngineError, match="keeps the mirror") as caught:
        DOCKER.before_undo(daemon.machine.host, found.engine, found.changes)
    assert "restart" in caught.value.hint
    assert daemon.machine.text(CONFIG) == text


def test_a_daemon_that_is_gone_needs_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.write(CONFIG, "{}")
    (engine,) = DOCKER.detect(machine.host)
    found = DOCKER.plan(machine.host, engine, WANTED)
    assert (found.effect, len(found.changes)) == (Effect.NOTHING, 1)
    assert apply_directly(machine.host, DOCKER, found) == ()
    assert DOCKER.enrolled(machine.host, engine) == {"docker.io": (URL,)}
    undo_directly(machine.host, DOCKER, found)
    assert machine.text(CONFIG) == "{}"


def test_a_restart(daemon: FakeDocker) -> None:
    request = Request(Mirror("http://m.corp", "http://m.corp"), allow_restart=True)
    daemon.info = {"HttpProxy": "http://p"}
    found = plan(daemon, request)

    def restart(_: object) -> Ran:
        daemon.reload()
        return Ran(0, "", "")

    daemon.machine.answer("systemctl", "daemon-reload")
    daemon.machine.answer("systemctl", "restart", "docker", says=restart)
    assert apply_directly(daemon.machine.host, DOCKER, found) == ()
    calls = [call for call in daemon.machine.calls if call[0] == "systemctl"]
    assert calls == [("systemctl", "daemon-reload"), ("systemctl", "restart", "docker")]
    assert daemon.signals == []
    daemon.machine.answer("systemctl", "restart", "docker", says=Ran(1, "", "failed"))
    with pytest.raises(EngineError, match="restart docker failed"):
        DOCKER.take_up(daemon.machine.host, found)


def test_a_process_that_cannot_be_found_is_reloaded_by_systemd(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.at("/etc/docker").mkdir(parents=True)
    with fake_docker(machine) as daemon:

        def reload(_: object) -> Ran:
            daemon.reload()
            return Ran(0, "", "")

        machine.answer("systemctl", "reload", "docker", says=reload)
        assert apply_directly(machine.host, DOCKER, plan(daemon)) == ()
        machine.answer("systemctl", "reload", "docker", says=Ran(1, "", "no unit"))
        daemon.mirrors = []
        machine.at(CONFIG).unlink()
        with pytest.raises(EngineError, match="no unit"):
            apply_directly(machine.host, DOCKER, plan(daemon))


def test_a_process_is_only_told_if_it_is_a_dockerd(daemon: FakeDocker) -> None:
    """Of a number in an old pid file, anybody may be the owner by now."""
    found = plan(daemon)
    daemon.machine.write(f"/proc/{os.getpid()}/cmdline", "/usr/bin/postgres\0")
    with pytest.raises(EnrollError, match="cannot find the process"):
        apply_directly(daemon.machine.host, DOCKER, found)
    assert daemon.signals == []


def test_a_pull_says_both_reasons(daemon: FakeDocker) -> None:
    apply_directly(daemon.machine.host, DOCKER, plan(daemon))
    host, engine = daemon.machine.host, engine_of(daemon)
    assert DOCKER.pull(host, engine, "docker.io/a/b:1").ok
    daemon.error = "no such host"
    found = DOCKER.pull(host, engine, "docker.io/a/b:1")
    assert found.said == (f"Docker says: no such host\nThe mirror {URL} says: Connection refused")
    # The mirror has nothing to say of what it was never asked for.
    assert DOCKER.pull(host, engine, "ghcr.io/a/b:1").said == "Docker says: no such host"
    DOCKER.remove(host, engine, "docker.io/a/b:1")
    assert "DELETE /images/docker.io/a/b:1" in daemon.calls


def test_an_engine_elsewhere_cannot_pull(tmp_path: Path) -> None:
    machine = Machine(tmp_path, env={"DOCKER_HOST": "ssh://far"})
    (engine,) = DOCKER.detect(machine.host)
    with pytest.raises(CannotPullError):
        DOCKER.pull(machine.host, engine, "a")
    assert DOCKER.enrolled(machine.host, engine) == {}


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("a", ("a", "latest")),
        ("h:5000/a", ("h:5000/a", "latest")),
        ("h:5000/a:1", ("h:5000/a", "1")),
        ("a@sha256:00", ("a", "sha256:00")),
    ],
)
def test_references(reference: str, parts: tuple[str, str]) -> None:
    assert split(reference) == parts
