"""Real Docker daemons are enrolled with a real mirror, and are as they were after an undo."""

import json
import secrets
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from homeport.enroll.apply import apply
from homeport.enroll.direct import apply_directly, put, undo_directly
from homeport.enroll.engines import docker_reload
from homeport.enroll.engines.docker import Docker
from homeport.enroll.errors import ConflictError, EnrollError
from homeport.enroll.journal import Journal
from homeport.enroll.model import (
    Effect,
    EnginePlan,
    EnrollPlan,
    FileChange,
    FileState,
    KeyChange,
    Mode,
    Ownership,
    Request,
)
from homeport.enroll.model import Mirror as Wanted
from testbed.dockerds import CONFIG, Dockerd, docker_machine, running
from testbed.hub import Hub, hub
from testbed.machine import Machine
from testbed.mirror import Mirror, mirror, upstream

DOCKER = Docker()
OTHER = "/etc/docker/other.json"
USERS = (
    b'{\n\t"debug" : true,\n\t"registry-mirrors": [ "http://127.0.0.1:9/" ],\n\n'
    b'\t"labels":["a=b"]\n}'
)


@pytest.fixture(scope="module")
def docker_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub(Path(tmp_path_factory.mktemp("hub"))) as made:
        made.push("library/alpine:3.20", size=1000)
        yield made


@pytest.fixture(scope="module")
def served(docker_hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    text = '[mirror]\nlisten = "{address}"\ndata = "{data}"\n'
    text += upstream("docker.io", docker_hub.address)
    with mirror(Path(tmp_path_factory.mktemp("mirror")), text) as made:
        yield made


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with docker_machine() as made:
        yield made


@pytest.fixture(scope="module")
def daemons(machine: Machine) -> Iterator[tuple[Dockerd, Dockerd]]:
    """The machine's daemon, and another one with a file of its own, found by a context."""
    first, other = Dockerd(machine, "docker"), Dockerd(machine, "other", config=OTHER)
    machine.env["DOCKER_HOST"] = machine.host.env["DOCKER_HOST"] = "unix:///run/other.sock"
    machine.write(OTHER, "{}")
    with running(first, other):
        yield first, other


@pytest.fixture
def docker(daemons: tuple[Dockerd, Dockerd]) -> Iterator[Dockerd]:
    """The machine's daemon, without a file and without mirrors."""
    daemon = daemons[0]
    yield daemon
    place = daemon.machine.at(CONFIG)
    place.write_text('{"registry-mirrors": [], "insecure-registries": [], "debug": false}')
    if daemon.mirrors():
        reload(daemon)
    place.unlink()


def reload(daemon: Dockerd) -> None:
    """As the daemon's user would, without any care."""
    import os
    import time

    before = daemon.log.count("Reloaded configuration")
    os.kill(daemon.engine().facts["pid"], signal.SIGHUP)
    end = time.monotonic() + 1.0
    while daemon.log.count("Reloaded configuration") == before and time.monotonic() < end:
        time.sleep(0.02)


def request_for(
    made: Mirror, *, mode: Mode = Mode.PREFER, registries: Sequence[str] = ("docker.io",)
) -> Request:
    url = f"http://{made.address}"
    return Request(Wanted(url, url), mode, tuple(registries))


def enroll(daemon: Dockerd, request: Request) -> EnginePlan:
    host = daemon.machine.host
    plan = DOCKER.plan(host, daemon.engine(), request)
    assert apply_directly(host, DOCKER, plan) == ()
    return plan


def undo(daemon: Dockerd, plan: EnginePlan) -> None:
    """As the command does it: clear, put back, and take up what there is again."""
    host = daemon.machine.host
    undo_directly(host, DOCKER, plan)
    turned = tuple(replace(c, before=c.after, after=c.before) for c in plan.changes)
    if any(change.after is not None for change in turned):
        DOCKER.take_up(host, replace(plan, changes=turned))
    assert DOCKER.confirm(host, replace(plan, changes=turned)) == ()


def prove(daemon: Dockerd, made: Mirror) -> None:
    """Pull what only the mirror can serve, and ask it who came."""
    nonce = secrets.token_hex(8)
    name = f"docker.io/homeport-verify/{nonce}"
    host, engine = daemon.machine.host, daemon.engine()
    found = DOCKER.pull(host, engine, name)
    assert found.ok, found.said
    seen = made.get(f"/_homeport/canary/{nonce}")
    assert seen.status == 200, seen.body
    assert b"docker/" in seen.body
    assert daemon.client.ok("images", "-q", f"homeport-verify/{nonce}").strip()
    DOCKER.remove(host, engine, name)
    assert not daemon.client.ok("images", "-q", f"homeport-verify/{nonce}").strip()
    DOCKER.remove(host, engine, name)  # what is not there is removed


def test_a_daemon_without_a_file(docker: Dockerd, served: Mirror) -> None:
    before = docker.machine.host.state(CONFIG)
    assert before is None
    plan = enroll(docker, request_for(served))
    assert plan.effect is Effect.RELOAD
    assert plan.proven
    assert docker.mirrors() == [f"http://{served.address}/"]
    prove(docker, served)
    assert "Downloaded newer image" in docker.client.ok("pull", "alpine:3.20")
    docker.client.ok("rmi", "alpine:3.20")
    again = DOCKER.plan(docker.machine.host, docker.engine(), request_for(served))
    assert (again.changes, again.findings) == ((), ())
    assert DOCKER.enrolled(docker.machine.host, docker.engine()) == {
        "docker.io": (f"http://{served.address}/",)
    }
    docker.stop()
    docker.start()
    prove(docker, served)
    undo(docker, plan)
    assert docker.machine.host.state(CONFIG) is None
    assert docker.mirrors() == []


def test_a_file_of_the_user_comes_back_to_its_bytes(docker: Dockerd, served: Mirror) -> None:
    docker.machine.write(CONFIG, USERS, mode=0o640)
    reload(docker)
    assert docker.mirrors() == ["http://127.0.0.1:9/"]
    plan = enroll(docker, request_for(served))
    assert docker.mirrors() == [f"http://{served.address}/", "http://127.0.0.1:9/"]
    text = docker.machine.text(CONFIG)
    assert text.startswith('{\n\t"debug" : true,\n')
    assert text.endswith('\n\n\t"labels":["a=b"]\n}')
    prove(docker, served)
    undo(docker, plan)
    place = docker.machine.at(CONFIG)
    assert place.read_bytes() == USERS
    assert place.stat().st_mode & 0o777 == 0o640
    assert docker.mirrors() == ["http://127.0.0.1:9/"]


def test_only_takes_other_mirrors_out_and_says_what_it_cannot(
    docker: Dockerd, served: Mirror
) -> None:
    docker.machine.write(CONFIG, USERS)
    reload(docker)
    plan = enroll(docker, request_for(served, mode=Mode.ONLY))
    assert docker.mirrors() == [f"http://{served.address}/"]
    assert "registry-1.docker.io" in plan.limits[0].hint
    assert [finding.code for finding in plan.findings] == ["docker-other-mirrors"]
    undo(docker, plan)
    assert docker.mirrors() == ["http://127.0.0.1:9/"]


def test_an_insecure_registry_comes_and_goes(docker: Dockerd) -> None:
    """Only names of the mirror's host bring other registries: over HTTP, that must be allowed."""
    url = "http://mirror.test:5000"
    request = Request(Wanted(url, url), registries=("ghcr.io",))
    plan = enroll(docker, request)
    assert "moby#18818" in plan.limits[0].why
    said = docker.client.ok("info", "--format", "{{json .RegistryConfig.IndexConfigs}}")
    assert json.loads(said)["mirror.test:5000"]["Secure"] is False
    assert docker.mirrors() == []
    undo(docker, plan)
    said = docker.client.ok("info", "--format", "{{json .RegistryConfig.IndexConfigs}}")
    assert "mirror.test:5000" not in json.loads(said)


def test_the_other_daemon_is_not_touched(
    daemons: tuple[Dockerd, Dockerd], docker: Dockerd, served: Mirror
) -> None:
    other = daemons[1]
    log, text = other.log, docker.machine.text(OTHER)
    assert other.engine().config == OTHER
    plan = enroll(docker, request_for(served))
    assert other.mirrors() == []
    assert "Reloaded" not in other.log[len(log) :]
    undo(docker, plan)
    plan = enroll(other, request_for(served))
    prove(other, served)
    assert docker.mirrors() == []
    assert docker.machine.host.state(CONFIG) is None
    undo(other, plan)
    assert docker.machine.text(OTHER) == text
    assert other.mirrors() == []


def test_the_trap_that_an_undo_must_not_fall_into(docker: Dockerd, served: Mirror) -> None:
    """A file put back and reloaded leaves the mirror in the daemon: this is why it is cleared."""
    host = docker.machine.host
    docker.machine.write(CONFIG, "{}")
    plan = enroll(docker, request_for(served))
    put(host, plan.changes[0], forward=False)
    reload(docker)
    assert docker.mirrors() == [f"http://{served.address}/"]
    turned = replace(plan.changes[0], before=plan.changes[0].after, after=plan.changes[0].before)
    found = DOCKER.confirm(host, replace(plan, changes=(turned,)))
    assert [finding.code for finding in found] == ["docker-mismatch"]
    put(host, plan.changes[0], forward=True)
    undo(docker, plan)
    assert docker.mirrors() == []


def test_an_undo_where_the_user_has_removed_the_file(docker: Dockerd, served: Mirror) -> None:
    plan = enroll(docker, request_for(served))
    docker.machine.at(CONFIG).unlink()
    undo(docker, plan)
    assert docker.mirrors() == []
    assert docker.machine.host.state(CONFIG) is None


def test_a_mirror_that_docker_would_refuse_never_reaches_it(docker: Dockerd) -> None:
    host = docker.machine.host
    for url, words in (
        ("http://mirror.test/path", "no path"),
        ("http://user:secret@mirror.test", "no user"),
        ("http://mirror.test?x=1", "no query"),
        ("mirror.test:5000", "http://"),
    ):
        with pytest.raises(EnrollError, match=words) as caught:
            DOCKER.plan(host, docker.engine(), Request(Wanted(url, url)))
        assert caught.value.hint
        assert "secret" not in str(caught.value)
    assert host.state(CONFIG) is None


def test_a_file_that_became_invalid_is_not_reloaded(docker: Dockerd) -> None:
    """Reloads are not atomic: of this file, dockerd would take the number and then refuse."""
    host = docker.machine.host
    text = '{"max-concurrent-downloads": 9, "registry-mirrors": ["http://m.test/path"]}'
    key = KeyChange(("registry-mirrors",), False, None, True, ["http://m.test/path"])
    state = FileState(text, 0o644, 0, 0)
    change = FileChange(CONFIG, None, state, Ownership.KEYS, "", "json", (key,))
    plan = EnginePlan(docker.engine(), (change,), Effect.RELOAD)
    with pytest.raises(EnrollError, match=r"daemon\.json:1:53"):
        apply_directly(host, DOCKER, plan)
    put(host, change, forward=False)
    assert docker.mirrors() == []
    assert "http://m.test/path" not in docker.log


def test_a_daemon_that_holds_something_else_is_found(docker: Dockerd, served: Mirror) -> None:
    host = docker.machine.host
    plan = enroll(docker, request_for(served))
    docker.machine.write(CONFIG, '{"registry-mirrors": ["http://127.0.0.1:9"]}')
    reload(docker)
    found = DOCKER.confirm(host, plan)
    assert [finding.code for finding in found] == ["docker-mismatch"]
    docker.machine.write(CONFIG, plan.changes[0].after.content)  # type: ignore[union-attr]
    again = DOCKER.plan(host, docker.engine(), request_for(served))
    assert [finding.code for finding in again.findings] == ["docker-not-taken-up"]


def test_the_reason_of_the_mirror_is_told(docker: Dockerd, served: Mirror) -> None:
    """dockerd says only that Docker Hub is out of reach."""
    plan = enroll(docker, request_for(served))
    found = DOCKER.pull(docker.machine.host, docker.engine(), "docker.io/library/nothing:1")
    assert not found.ok
    docker_says, mirror_says = found.said.splitlines()
    assert "registry-1.docker.io" in docker_says
    assert f"http://{served.address} says: 404 MANIFEST_UNKNOWN" in mirror_says
    undo(docker, plan)


def test_a_mirror_that_is_a_flag(machine: Machine, served: Mirror) -> None:
    daemon = Dockerd(
        machine,
        "flagged",
        config="/etc/docker/flagged.json",
        flags=("--registry-mirror=http://127.0.0.1:9",),
    )
    machine.write(daemon.config, "{}")
    old = machine.host.env.get("DOCKER_HOST")
    machine.host.env["DOCKER_HOST"] = f"unix://{daemon.socket}"
    try:
        with running(daemon):
            with pytest.raises(ConflictError, match="registry-mirrors is given as a flag"):
                DOCKER.plan(machine.host, daemon.engine(), request_for(served))
            assert machine.text(daemon.config) == "{}"
            url = "http://127.0.0.1:9"
            plan = DOCKER.plan(machine.host, daemon.engine(), Request(Wanted(url, url)))
            assert plan.changes == ()
    finally:
        machine.host.env["DOCKER_HOST"] = old or ""


def test_what_dockerd_refuses_is_put_back(
    docker: Dockerd, served: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should our rules ever be milder than dockerd's: its reload fails, and apply reverts."""
    host = docker.machine.host
    docker.machine.write(CONFIG, USERS)
    reload(docker)
    plan = DOCKER.plan(host, docker.engine(), request_for(served))
    (change,) = plan.changes
    bad = '{"max-concurrent-downloads": 9, "registry-mirrors": ["http://m.test/path"]}'
    assert change.after is not None
    key = KeyChange(
        ("registry-mirrors",), True, change.keys[0].before, True, ["http://m.test/path"]
    )
    wrong = replace(change, after=replace(change.after, content=bad), keys=(key,))
    monkeypatch.setattr(docker_reload, "_validate", lambda *_: None)
    monkeypatch.setattr(docker_reload, "RELOAD", 1.0)
    whole = EnrollPlan(request_for(served), (replace(plan, changes=(wrong,)),))
    (result,) = apply(host, whole)
    assert result.state == "reverted"
    assert "invalid mirror" in docker.log
    assert docker.machine.at(CONFIG).read_bytes() == USERS
    assert docker.mirrors() == ["http://127.0.0.1:9/"]
    assert Journal(host).records() == ()
