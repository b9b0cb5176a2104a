"""Runs with services that are stopped or killed leave no containers and no networks."""

import os
import signal
from pathlib import Path

import pytest

from homeport.engine.docker import connect
from testbed.engines import inside
from testbed.runs import Repository, containers, wait_until

pytestmark = pytest.mark.engine
TEXT = """\
job:
  image: debian:bookworm
  services: [web]
  script: ['echo ready; sleep 1000; echo never']
quick: {image: debian:bookworm, script: [echo quick], rules: [{if: $QUICK}]}
"""


@pytest.fixture(params=["networked", "podman"])
def address(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_address"))


def networks(address: str, home: Path) -> list[str]:
    """Networks of runs whose state lies in `home`."""
    engine = connect(address)
    try:
        listed = engine._call("GET", "/networks").body()
    finally:
        engine.close()
    return [
        entry["Name"]
        for entry in listed
        if f"{home}/" in (entry.get("Labels") or {}).get("homeport.state", "")
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_nothing(tmp_path: Path, address: str, number: int) -> None:
    repository = Repository(tmp_path / "p", TEXT, tmp_path / "home").on(address)
    started = repository.start("run", "--json", "job")
    repository.wait_for("ready")
    assert len(containers(address, repository.home)) == 2
    assert len(networks(address, repository.home)) == 1
    started.signal(number)
    assert started.end().status != 0
    assert containers(address, repository.home) == []
    assert networks(address, repository.home) == []


def test_what_a_killed_run_left_the_next_one_removes(tmp_path: Path, address: str) -> None:
    repository = Repository(tmp_path / "p", TEXT, tmp_path / "home").on(address)
    started = repository.start("run", "--json", "job")
    repository.wait_for("ready")
    os.kill(started.process.pid, signal.SIGKILL)
    started.end()
    assert len(networks(address, repository.home)) == 1
    done = repository.run("--variable", "QUICK=1", "quick")
    assert done.status == 0, done
    assert containers(address, repository.home) == []
    assert networks(address, repository.home) == []


def _ready(repository: Repository) -> int:
    logs = [path.read_text() for path in repository.state.glob("*/runs/*/logs/job.log")]
    return sum("ready" in log.splitlines() for log in logs)


def test_clean_takes_what_a_killed_run_left_and_nothing_of_a_live_one(
    tmp_path: Path, address: str
) -> None:
    repository = Repository(tmp_path / "p", TEXT, tmp_path / "home").on(address)
    dead = repository.start("run", "--json", "job")
    repository.wait_for("ready")
    (killed,) = {path.name for path in repository.state.glob("*/runs/*")}
    alive = repository.start("run", "--json", "job")
    wait_until(lambda: _ready(repository) == 2, "the second run is not ready", within=30)
    (live,) = {path.name for path in repository.state.glob("*/runs/*")} - {killed}
    dead.process.kill()
    dead.end()
    assert repository.start("clean").end().status == 0
    assert containers(address, repository.home, killed) == []
    assert len(containers(address, repository.home, live)) == 2
    assert len(networks(address, repository.home)) == 1
    assert [path.name for path in repository.state.glob("*/runs/*")] == [live]
    assert [path.name for path in repository.state.glob("*/builds/*")] == [live]
    alive.signal(signal.SIGINT)
    alive.end()
    assert containers(address, repository.home) == []
    assert networks(address, repository.home) == []


def test_a_network_of_this_machine_is_asked_from_here(tmp_path: Path, address: str) -> None:
    """In the engine's own network namespace no probe is needed, so an image without tools does."""
    text = "job: {image: busybox, services: [web], script: [echo ran]}\n"
    repository = Repository(tmp_path / "p", text, tmp_path / "home").on(address)
    done = repository.start("run", "--json", command=inside(address)).end()
    assert done.status == 0, done
    assert "WARNING" not in done.stdout
