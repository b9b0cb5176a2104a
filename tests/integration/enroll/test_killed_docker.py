"""kill -9 after every step, with a real dockerd: it could always start, and is put right."""

import json
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from homeport.enroll.apply import apply
from homeport.enroll.engines.docker import Docker
from homeport.enroll.formats.json_text import parse_object
from homeport.enroll.journal import Journal
from homeport.enroll.model import EnrollPlan, Mirror, MirrorKind, Request
from homeport.enroll.recovery import resume
from homeport.enroll.undo import undo
from testbed.dockerds import CONFIG, Dockerd, docker_machine, running

MIRROR = Mirror("http://127.0.0.1:9", "http://127.0.0.1:9", MirrorKind.HOMEPORT)
USERS = b'{\n\t"debug" : true,\n\t"registry-mirrors": [ "http://127.0.0.1:8/" ]\n}'
Passed = Callable[[str], None]


@pytest.fixture(scope="module")
def docker() -> Iterator[Dockerd]:
    with docker_machine() as machine:
        machine.write(CONFIG, USERS, mode=0o640)
        daemon = Dockerd(machine, "docker")
        with running(daemon):
            yield daemon


def enroll(docker: Dockerd, passed: Passed) -> None:
    host, kind = docker.machine.host, Docker()
    resume(host, passed=passed)
    request = Request(MIRROR)
    plans = tuple(kind.plan(host, engine, request) for engine in kind.detect(host))
    found = apply(host, EnrollPlan(request, plans), passed=passed)
    assert all(result.ok for result in found), found


def back(docker: Dockerd, passed: Passed) -> None:
    undo(docker.machine.host, passed=passed)


def killed(docker: Dockerd, act: Callable[[Dockerd, Passed], None], stop: int) -> bool:
    """Whether it was killed after so many steps, before its end."""
    child = os.fork()
    if child == 0:
        count = 0

        def passed(_: str) -> None:
            nonlocal count
            count += 1
            if count == stop:
                os.kill(os.getpid(), signal.SIGKILL)

        status = 1
        try:
            act(docker, passed)
            status = 0
        finally:
            os._exit(status)
    found = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert found in (0, -signal.SIGKILL)
    return found != 0


def whole(docker: Dockerd) -> None:
    machine = docker.machine
    assert machine.at(CONFIG).read_bytes() == USERS
    assert machine.at(CONFIG).stat().st_mode & 0o777 == 0o640
    assert [url.rstrip("/") for url in docker.mirrors()] == ["http://127.0.0.1:8"]
    assert Journal(machine.host).under_way() is None
    assert not list(machine.root.rglob("*.homeport-new"))


@pytest.mark.parametrize("act", [enroll, back])
def test_killed_at_every_step_and_once_more_in_the_recovery(
    docker: Dockerd, act: Callable[[Dockerd, Passed], None]
) -> None:
    stop = 0
    going = True
    while going:
        stop += 1
        if act is back:
            enroll(docker, lambda _: None)
            assert docker.mirrors()[0].rstrip("/") == MIRROR.url
        going = killed(docker, act, stop)
        parse_object(docker.machine.text(CONFIG), CONFIG)
        killed(docker, (enroll, back)[stop % 2], 1 + stop % 5)
        assert "debug" in json.loads(docker.machine.text(CONFIG))
        undo(docker.machine.host)
        whole(docker)
    assert stop >= 8
