"""Child pipelines of a run that is interrupted or killed: all of them end, and nothing is left."""

import signal
from pathlib import Path

import pytest

from testbed.runs import Repository, wait_until

PARENT = """\
awaited: {trigger: {include: child.yml, strategy: depend}}
let go: {trigger: {include: nested.yml}}
later: {stage: deploy, script: ['echo never']}
"""
CHILD = """\
long:
  script: ['echo ready', 'sleep 1000']
  after_script: ['echo "after: $CI_JOB_STATUS"']
next: {stage: deploy, script: ['echo never']}
"""
NESTED = """\
inner: {trigger: {include: child.yml}}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "group/project", PARENT, tmp_path / "home")
    (made.root / "child.yml").write_text(CHILD)
    (made.root / "nested.yml").write_text(NESTED)
    made.commit()
    return made


def logs(repository: Repository) -> list[str]:
    return [path.read_text() for path in repository.state.glob("*/runs/*/logs/*.log")]


def ready(repository: Repository) -> int:
    return sum("\nready" in log for log in logs(repository))


def test_one_signal_reaches_every_pipeline(repository: Repository) -> None:
    started = repository.start("run", "--json", "--concurrency", "4")
    wait_until(lambda: ready(repository) == 2, "the jobs are not ready", within=20)
    started.signal(signal.SIGINT)
    done = started.end(within=25)
    assert done.status == 130
    for job in ("awaited", "awaited:long", "awaited:next", "let go:inner:long", "later"):
        assert done.finished(job)["status"] == "canceled", job
    assert done.finished("let go")["status"] == "success"
    assert [log.count("after: canceled") for log in logs(repository)] == [1, 1]
    assert repository.leftovers() == []


def test_the_second_signal_waits_for_nobody(repository: Repository) -> None:
    started = repository.start("run", "--json", "--concurrency", "4")
    wait_until(lambda: ready(repository) == 2, "the jobs are not ready", within=20)
    started.signal(signal.SIGINT)
    started.signal(signal.SIGINT)
    assert started.end(within=10).status == 130
    assert repository.leftovers() == []


def test_what_is_wrong_with_a_child_is_said_with_its_place(repository: Repository) -> None:
    (repository.root / "child.yml").write_text("long: {script: ['true'], needs: [nobody]}\n")
    done = repository.start("run", "--json").end(within=25)
    assert done.status == 1
    notes = [event["message"] for event in done.events if event["event"] == "job_note"]
    assert any("child.yml:1:" in note and "nobody" in note for note in notes), notes
