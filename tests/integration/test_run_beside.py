"""Runs beside each other: a resource group is held against other runs of the project, in whatever
checkout, as long as its holder lives."""

import signal
from pathlib import Path

import pytest

from testbed.runs import Repository, Started, wait_until

TEXT = """\
variables: {PLACE: production}
deploy:
  resource_group: $PLACE
  script: ['echo ready', 'sleep 1000']
"""
QUICK = """\
deploy: {resource_group: production, script: ['echo done']}
free: {script: ['true']}
"""
REMOTE = "https://gitlab.example.com/group/project.git"
WAITS = "waits for the resource group production, which deploy of run "


@pytest.fixture
def holder(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "one/project", TEXT, tmp_path / "home")
    made.git("remote", "add", "origin", REMOTE)
    return made


def other(tmp_path: Path, remote: str = REMOTE) -> Repository:
    made = Repository(tmp_path / "two/project", QUICK, tmp_path / "home")
    made.git("remote", "add", "origin", remote)
    return made


def begin(tmp_path: Path) -> Started:
    """A run that waits for the holder, and has said so."""
    printed = tmp_path / "printed"
    with printed.open("wb") as file:
        waiting = other(tmp_path).start("run", "--json", "deploy", stdout=file)
    wait_until(lambda: WAITS in printed.read_text(), "it says nothing")
    assert f"in {tmp_path}/one/project has" in printed.read_text()
    assert "job_started" not in printed.read_text()
    return waiting


def test_a_killed_holder_lets_go_and_what_it_left_is_ended_first(
    holder: Repository, tmp_path: Path
) -> None:
    holding = holder.start("run", "--json")
    holder.wait_for("ready")
    waiting = begin(tmp_path)
    holding.process.kill()
    holding.end()
    assert waiting.end(within=10).status == 0
    assert (tmp_path / "printed").read_text().count(WAITS) == 1
    assert holder.leftovers() == []


def test_a_stop_ends_the_wait(holder: Repository, tmp_path: Path) -> None:
    holding = holder.start("run", "--json")
    holder.wait_for("ready")
    waiting = begin(tmp_path)
    waiting.signal(signal.SIGINT)
    assert waiting.end(within=5).status == 130
    assert '"status":"canceled"' in (tmp_path / "printed").read_text()
    holding.signal(signal.SIGINT)
    assert holding.end(within=15).status == 130


def test_another_project_does_not_wait(holder: Repository, tmp_path: Path) -> None:
    holding = holder.start("run", "--json")
    holder.wait_for("ready")
    assert other(tmp_path, "https://gitlab.example.com/group/other.git").run().status == 0
    holding.signal(signal.SIGINT)
    assert holding.end(within=15).status == 130
