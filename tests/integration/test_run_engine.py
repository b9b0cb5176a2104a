"""Engines that are absent, hang, or die, images that cannot be had: words and exit status; and what
the user's settings grant to containers."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.engine_proxy import Proxy
from testbed.runs import Repository, containers, wait_until

pytestmark = pytest.mark.engine
TEXT = """\
plain: {script: ['touch ran-on-the-host']}
boxed: {image: "alpine:3.20", script: ['echo ready; sleep 1000; echo never']}
"""


@pytest.fixture(params=["docker", "podman"])
def address(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_address"))


@pytest.fixture
def front(tmp_path: Path, address: str) -> Iterator[Proxy]:
    made = Proxy(tmp_path / "s", address.removeprefix("unix://"))
    yield made
    made.close()


def make(tmp_path: Path, text: str = TEXT) -> Repository:
    return Repository(tmp_path / "project", text, tmp_path / "home")


@pytest.mark.parametrize("kind", ["absent", "hangs", "no-socket", "none-found"])
def test_no_engine_is_never_the_host(tmp_path: Path, kind: str) -> None:
    repository = make(tmp_path)
    silent = Proxy(tmp_path / "silent", None)
    address = {"absent": f"unix://{tmp_path}/nothing", "hangs": silent.address}.get(kind)
    if kind == "no-socket":
        (tmp_path / "file").write_text("")
        address = f"unix://{tmp_path}/file"
    if address is not None:
        repository.env["DOCKER_HOST"] = address
    elif Path("/var/run/docker.sock").exists() or Path("/run/podman/podman.sock").exists():
        repository.env["CONTAINER_HOST"] = address = f"unix://{tmp_path}/other"
    begin = time.monotonic()
    done = repository.run(within=20)
    assert time.monotonic() - begin < 12
    assert (done.status, done.stdout) == (3, "")
    assert "boxed" in done.stderr
    assert (address or "unix:///var/run/docker.sock") in done.stderr
    assert "--executor shell" in done.stderr
    assert not list(tmp_path.rglob("ran-on-the-host"))
    silent.close()


@pytest.mark.parametrize("policy", ["never", "if-not-present", "always"])
def test_an_image_that_cannot_be_had(tmp_path: Path, address: str, policy: str) -> None:
    text = """\
boxed: {image: "127.0.0.1:1/team/app:7", script: [x]}
after: {stage: deploy, script: [x]}
"""
    done = make(tmp_path, text).on(address).run("--pull-policy", policy, within=60)
    assert done.status == 1
    ended = done.finished("boxed")
    assert (ended["status"], ended["failure_reason"]) == ("failed", "runner_system_failure")
    assert '"127.0.0.1:1/team/app:7"' in ended["reason"]
    assert f"[{policy}]" in ended["reason"]
    words = "No such image" if policy == "never" else "127.0.0.1:1"
    assert words in ended["reason"].partition("]:")[2]
    assert done.finished("after")["status"] == "skipped"
    assert containers(address, tmp_path) == []


def test_an_engine_that_dies_mid_job(tmp_path: Path, address: str, front: Proxy) -> None:
    repository = make(tmp_path).on(front.address)
    started = repository.start("run", "--json", "boxed")
    repository.wait_for("ready")
    front.cut()
    done = started.end(within=15)
    assert done.status == 1
    ended = done.finished("boxed")
    assert ended["failure_reason"] == "runner_system_failure"
    assert f"the container engine at {front.address} does not answer" in ended["reason"]
    assert repository.leftovers() == []
    # The engine is back: the next run removes the container that the lost one could not.
    assert len(containers(address, tmp_path)) == 1
    text = "boxed: {image: 'alpine:3.20', script: ['true']}\n"
    repository.root.joinpath(".gitlab-ci.yml").write_text(text)
    assert repository.on(address).run().status == 0
    assert containers(address, tmp_path) == []


def test_an_engine_that_hangs_mid_job_lets_a_run_be_stopped(
    tmp_path: Path, address: str, front: Proxy
) -> None:
    repository = make(tmp_path).on(front.address)
    started = repository.start("run", "--json", "boxed")
    repository.wait_for("ready")
    front.hang()
    started.signal(signal.SIGINT)
    time.sleep(0.3)
    started.signal(signal.SIGINT)
    done = started.end(within=10)
    assert done.status == 130
    assert "the next run does so, or homeport clean" in done.stderr
    assert time.monotonic() - started.signalled < 2.5
    text = "boxed: {image: 'alpine:3.20', script: ['true']}\n"
    repository.root.joinpath(".gitlab-ci.yml").write_text(text)
    assert repository.on(address).run().status == 0
    assert (containers(address, tmp_path), repository.leftovers()) == ([], [])


def test_the_image_is_shown_expanded(tmp_path: Path, address: str) -> None:
    text = """\
variables: {TAG: "3.20", NAME: "alpine:$TAG"}
boxed: {image: $NAME, script: ['true']}
"""
    done = make(tmp_path, text).on(address).run()
    (begun,) = [event for event in done.events if event["event"] == "job_started"]
    assert (done.status, begun["image"]) == (0, "alpine:3.20")


def test_the_ssh_agent_is_there_when_the_user_says_so(tmp_path: Path, address: str) -> None:
    text = "boxed: {image: 'alpine:3.20', script: ['test -S \"$SSH_AUTH_SOCK\"; echo it is']}\n"
    repository = make(tmp_path, text).on(address)
    agent = Proxy(tmp_path / "agent", None)
    there = {"SSH_AUTH_SOCK": str(tmp_path / "agent")}
    assert repository.run(env=there).status == 1
    granted = {"HOMEPORT_CONTAINER_SSH_AGENT": "true"}
    done = repository.run(env={**there, **granted})
    assert (done.status, "it is\n" in done.log("boxed")) == (0, True), done
    done = repository.run(env=granted)
    assert (done.status, done.stdout) == (3, "")
    assert "SSH_AUTH_SOCK is not set" in done.stderr
    agent.close()


def test_standing_beside_a_run_takes_nothing_from_it(tmp_path: Path, address: str) -> None:
    """Two repositories on one engine, one killed: only its own next run clears up after it."""
    text = "boxed: {image: 'alpine:3.20', script: ['echo ready; sleep 1000']}\n"
    one = Repository(tmp_path / "one", text, tmp_path / "home").on(address)
    two = Repository(
        tmp_path / "two", "boxed: {image: 'alpine:3.20', script: ['true']}\n", tmp_path / "home"
    ).on(address)
    started = one.start("run", "--json")
    one.wait_for("ready")
    os.kill(started.process.pid, signal.SIGKILL)
    started.end()
    assert two.run().status == 0
    assert len(containers(address, tmp_path)) == 1
    (one.root / ".gitlab-ci.yml").write_text((two.root / ".gitlab-ci.yml").read_text())
    assert one.run().status == 0
    wait_until(lambda: containers(address, tmp_path) == [], "the container is still there")
