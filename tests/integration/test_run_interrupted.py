"""Ctrl-C, SIGTERM and kill -9, at every moment of a run, on every executor: what is left."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.runs import SIGNALS, Repository, Started, containers, processes_with, wait_until

pytestmark = pytest.mark.engine
STUBBORN = """\
default: {image: "debian:bookworm"}
job:
  script:
    - trap '' TERM INT
    - (trap '' TERM INT HUP; exec setsid sleep 1000) &
    - sleep 1000 & wait_here=$!
    - echo ready
    - while true; do sleep 1; done
  after_script: ['echo "after: $CI_JOB_STATUS"']
  artifacts: {paths: [.gitlab-ci.yml], when: always}
later: {stage: deploy, script: ['echo never']}
"""
AFTER = """\
default: {image: "debian:bookworm"}
job:
  script: ['true']
  after_script:
    - trap '' TERM INT
    - echo ready
    - i=0; while [ $i -lt 30 ]; do sleep 0.1; i=$((i + 1)); done
    - echo finished
"""
Make = Callable[[str], Repository]


@pytest.fixture(params=["shell", "docker", "podman"])
def address(request: pytest.FixtureRequest) -> str | None:
    if request.param == "shell":
        return None
    return str(request.getfixturevalue(f"{request.param}_address"))


@pytest.fixture
def make(tmp_path: Path, address: str | None) -> Iterator[Make]:
    made = []

    def make_one(text: str) -> Repository:
        repository = Repository(tmp_path / "group/project", text, tmp_path / "home").on(address)
        if address is None:
            repository.env["HOMEPORT_EXECUTOR"] = "shell"
        made.append(repository)
        return repository

    yield make_one
    for repository in made:
        assert repository.leftovers() == []
        assert containers(address, tmp_path) == []


def begin(repository: Repository) -> Started:
    started = repository.start("run", "--json")
    repository.wait_for("ready")
    return started


@pytest.mark.parametrize("name", SIGNALS)
def test_one_signal_ends_the_job_gracefully(make: Make, name: str) -> None:
    repository = make(STUBBORN)
    started = begin(repository)
    started.signal(SIGNALS[name])
    done = started.end(within=25)
    assert done.status == 130
    word = "interrupted" if name == "INT" else "terminated"
    assert (done.finished("job")["status"], done.finished("job")["reason"]) == ("canceled", word)
    assert done.finished("later")["status"] == "canceled"
    assert "after: canceled\n" in done.log("job")
    assert done.events[-1]["status"] == "canceled"
    # As on GitLab a job that is canceled hands nothing on.
    assert list(repository.state.glob("*/runs/*/artifacts/*")) == []


def test_the_second_signal_ends_all_at_once(make: Make) -> None:
    repository = make(STUBBORN)
    started = begin(repository)
    started.signal(signal.SIGINT)
    time.sleep(0.3)
    started.signal(signal.SIGINT)
    done = started.end(within=10)
    assert time.monotonic() - started.signalled < 2
    assert done.status == 130
    assert "after:" not in done.log("job")


def test_after_script_goes_on_after_one_signal(make: Make) -> None:
    started = begin(make(AFTER))
    started.signal(signal.SIGINT)
    done = started.end()
    assert (done.status, done.finished("job")["status"]) == (130, "canceled")
    assert "finished\n" in done.log("job")


def test_after_script_ends_with_the_second_signal(make: Make) -> None:
    started = begin(make(AFTER))
    started.signal(signal.SIGTERM)
    time.sleep(0.3)
    started.signal(signal.SIGTERM)
    done = started.end(within=10)
    assert time.monotonic() - started.signalled < 2
    assert done.status == 130
    assert "finished" not in done.log("job").splitlines()


def test_the_run_after_a_killed_one_clears_up_and_leaves_a_live_one_alone(
    make: Make, address: str | None, tmp_path: Path
) -> None:
    repository = make(STUBBORN)
    dead = begin(repository)
    first = {path.name for path in repository.state.glob("*/runs/*")}
    alive = repository.start("run", "--json")
    wait_until(lambda: len(repository.logs()) and _ready(repository) == 2, "no second run")
    dead.process.kill()
    dead.end()
    (live,) = {path.name for path in repository.state.glob("*/runs/*")} - first
    (killed,) = first
    assert list(repository.state.glob(f"*/builds/{killed}")) != []
    repository.root.joinpath(".gitlab-ci.yml").write_text(
        "default: {image: 'debian:bookworm'}\njob: {script: ['echo third']}\n"
    )
    assert repository.run().status == 0
    assert list(repository.state.glob(f"*/builds/{killed}")) == []
    assert list(repository.state.glob(f"*/builds/{live}")) != []
    assert processes_with(f"/builds/{killed}/".encode()) == []
    assert containers(address, tmp_path, killed) == []
    if address is None:
        assert processes_with(f"/builds/{live}/".encode()) != []
    else:
        assert len(containers(address, tmp_path, live)) == 1
    alive.signal(signal.SIGINT)
    time.sleep(0.1)
    alive.signal(signal.SIGINT)
    assert alive.end(within=10).status == 130


def _ready(repository: Repository) -> int:
    return sum(
        "ready" in path.read_text().splitlines()
        for path in repository.state.glob("*/runs/*/logs/job.log")
    )


class SlowRegistry:
    """Accepts connections and never answers, as a registry behind a bad network does."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.asked = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                self._open.append(self._socket.accept()[0])
            except OSError:
                return
            self.asked.set()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        for end in (self._socket, *self._open):
            end.close()


@pytest.mark.parametrize("signals", [1, 2])
def test_a_pull_ends_with_the_run(tmp_path: Path, docker_address: str, signals: int) -> None:
    registry = SlowRegistry()
    text = f"job: {{image: '127.0.0.1:{registry.port}/a/b:1', script: ['true']}}\n"
    repository = Repository(tmp_path / "project", text, tmp_path / "home").on(docker_address)
    started = repository.start("run", "--json")
    assert registry.asked.wait(30)
    for _ in range(signals):
        started.signal(signal.SIGINT)
        time.sleep(0.1)
    done = started.end(within=10)
    assert time.monotonic() - started.signalled < 2
    assert (done.status, done.finished("job")["status"]) == (130, "canceled")
    assert repository.leftovers() == []
    registry.close()
