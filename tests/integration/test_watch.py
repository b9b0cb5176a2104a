"""`homeport watch`: what a change of files runs again, and what it does not."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from testbed.runs import Repository, Started
from testbed.terminal import OnTerminal

CI = """\
build:
  stage: build
  script: [cat src/a > made]
  artifacts: {paths: [made]}
  rules: [changes: [src/*]]
docs: {script: [cat docs/a], dependencies: [], rules: [changes: ["docs/**/*"]]}
test: {script: [cat made], needs: [build]}
release: {stage: deploy, script: [exit 1], when: manual}
"""


class Watched:
    """A watch that goes on; its events as they come."""

    def __init__(self, repository: Repository, *args: str) -> None:
        self.repository = repository
        self.started: Started = repository.start("watch", "--json", *args)
        self._lines: Queue[dict[str, Any]] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.started.process.stdout is not None
        for line in self.started.process.stdout:
            self._lines.put(json.loads(line))

    def round(self) -> dict[str, str]:
        """The jobs of the next run that ends, with what became of them."""
        jobs: dict[str, str] = {}
        while True:
            event = self._lines.get(timeout=30)
            if event["event"] == "job_finished":
                jobs[event["job"]] = event["status"]
            if event["event"] == "run_finished":
                return jobs

    def wait_for(self, name: str) -> None:
        while self._lines.get(timeout=30)["event"] != name:
            pass

    def is_quiet(self, seconds: float = 1.0) -> bool:
        try:
            self._lines.get(timeout=seconds)
        except Empty:
            return True
        return False

    def write(self, name: str, text: str) -> None:
        (self.repository.root / name).write_text(text)

    def end(self) -> tuple[int, str]:
        self.started.signal(signal.SIGINT)
        process = self.started.process
        assert process.stderr is not None
        assert process.stdout is not None
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        err = process.stderr.read().decode()
        self._reader.join(10)
        process.stderr.close()
        process.stdout.close()
        assert "Traceback" not in err
        return process.returncode, err


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "project", CI, tmp_path / "home")
    for name in ("src", "docs", "other"):
        (repository.root / name).mkdir()
        (repository.root / name / "a").write_text("1\n")
    (repository.root / ".gitignore").write_text("*.log\n")
    repository.commit()
    return repository


@pytest.fixture
def watched(repository: Repository) -> Iterator[Watched]:
    watched = Watched(repository)
    yield watched
    if watched.started.process.poll() is None:
        watched.end()
    assert repository.leftovers() == []


def test_a_change_runs_what_it_concerns_and_what_needs_that(watched: Watched) -> None:
    first = {"build": "success", "docs": "success", "test": "success", "release": "manual"}
    assert watched.round() == first
    watched.write("docs/a", "2\n")
    # A job without conditions on paths always runs, with the artifacts of before.
    assert watched.round() == {"docs": "success", "test": "success", "release": "manual"}
    watched.write("src/new", "3\n")
    assert watched.round() == {"build": "success", "test": "success", "release": "manual"}
    watched.write("x.log", "ignored\n")
    assert watched.is_quiet()
    code, said = watched.end()
    assert code == 130
    assert "homeport: docs/a changed" in said
    assert "homeport: interrupted" in said


def test_the_ci_file_runs_everything_and_may_be_broken_meanwhile(watched: Watched) -> None:
    watched.round()
    watched.write(".gitlab-ci.yml", "job: {script: 7")
    assert watched.is_quiet()
    watched.write(".gitlab-ci.yml", CI.replace("exit 1", "exit 2"))
    assert len(watched.round()) == 4
    code, said = watched.end()
    assert code == 130
    assert ".gitlab-ci.yml:2:1: error" in said


def test_a_change_stops_a_run_that_is_out_of_date(tmp_path: Path) -> None:
    ci = "slow: {script: [cat wait, 'test $(cat wait) = 0 || sleep 60']}"
    repository = Repository(tmp_path / "project", ci, tmp_path / "home")
    (repository.root / "wait").write_text("1\n")
    watched = Watched(repository)
    try:
        watched.wait_for("job_output")
        watched.write("wait", "0\n")
        assert watched.round() == {"slow": "canceled"}
        assert watched.round() == {"slow": "success"}
    finally:
        assert watched.end()[0] == 130


def test_an_interrupt_stops_the_run_and_the_watch(tmp_path: Path) -> None:
    ci = "slow: {script: [echo begun, sleep 60]}"
    repository = Repository(tmp_path / "project", ci, tmp_path / "home")
    watched = Watched(repository)
    watched.wait_for("job_output")
    assert watched.end()[0] == 130
    assert repository.leftovers() == []


def test_a_failed_job_runs_again_whatever_changes(tmp_path: Path) -> None:
    ci = "bad: {script: [cat there], rules: [exists: [src/*], changes: [src/*]]}"
    repository = Repository(tmp_path / "project", "x: {script: [exit 0]}", tmp_path / "home")
    (repository.root / "src").mkdir()
    (repository.root / "src/a").write_text("")
    (repository.root / ".gitlab-ci.yml").write_text(ci)
    watched = Watched(repository)
    try:
        assert watched.round() == {"bad": "failed"}
        watched.write("there", "")
        assert watched.round() == {"bad": "success"}
    finally:
        watched.end()


def test_a_report_that_it_writes_is_no_change(repository: Repository) -> None:
    watched = Watched(repository, "docs", "--html", "page.html")
    try:
        assert watched.round() == {"docs": "success"}
        assert watched.is_quiet()
        assert (repository.root / "page.html").exists()
    finally:
        watched.end()


def test_a_commit_is_not_watched(repository: Repository) -> None:
    done = repository.start("watch", "--committed").end()
    assert done.status == 2
    assert "a commit does not change" in done.stderr


def test_on_a_terminal_each_run_begins_on_a_clear_screen(repository: Repository) -> None:
    terminal = OnTerminal(repository, "watch", "docs")
    try:
        terminal.wait_for("waiting for changes; Ctrl-C ends")
        assert b"\x1b[2J" not in terminal.all
        (repository.root / "docs/a").write_text("2\n")
        terminal.wait_for("\x1b[2J")
        terminal.wait_for("docs/a changed")
        terminal.wait_for("waiting for changes")
        terminal.type("\x03")
        assert terminal.end() == 130
    finally:
        terminal.close()
