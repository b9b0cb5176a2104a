"""Shells in the places of jobs, on a real terminal, key by key."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.runs import Repository, containers
from testbed.terminal import OnTerminal

CI = """\
make: {stage: build, script: [echo handed > made], artifacts: {paths: [made]}}
test:
  variables: {WORD: "it is set"}
  script: [echo 'left by the script' > left, exit 3]
  after_script: [cat typed]
slow: {script: [sleep 60]}
"""
IN_CONTAINER = f"default: {{image: 'debian:bookworm'}}\n{CI}"


ENGINES = {"docker": "networked_address", "podman": "podman_address"}


@pytest.fixture(
    params=["shell", *(pytest.param(name, marks=pytest.mark.engine) for name in ENGINES)]
)
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    address = None
    if request.param in ENGINES:
        address = request.getfixturevalue(ENGINES[request.param])
    text = CI if address is None else IN_CONTAINER
    repository = Repository(tmp_path / "project", text, tmp_path / "home").on(address)
    yield repository
    assert containers(address, tmp_path / "home") == []
    assert repository.leftovers() == []


def opened(repository: Repository, *args: str) -> OnTerminal:
    return OnTerminal(repository, *args)


def test_a_shell_opens_where_a_script_failed(repository: Repository) -> None:
    terminal = opened(repository, "run", "test", "--needs", "--shell-on-failure")
    try:
        terminal.wait_for("in the place of job test, after its script failed")
        terminal.wait_for("test$ ")
        terminal.type('cat left; echo "<$WORD>"; pwd; tty | cut -c1-5')
        terminal.wait_for("left by the script")
        terminal.wait_for("<it is set>")
        terminal.wait_for("/project")
        terminal.wait_for("/dev/")
        terminal.type("echo typed words > typed; exit 0")
        terminal.wait_for("the shell of job test has ended")
        terminal.wait_for("typed words")
        assert terminal.end() == 1
    finally:
        terminal.close()
    assert repository.start("last").end().status == 1


def test_a_shell_opens_before_the_script_and_is_no_run(repository: Repository) -> None:
    assert repository.run("make").status == 0
    before = repository.start("last", "--json").end().stdout
    terminal = opened(repository, "shell", "test")
    try:
        terminal.wait_for("before its script")
        terminal.wait_for("test$ ")
        terminal.type("cat made; ls left")
        terminal.wait_for("handed")
        terminal.wait_for("No such file")
        terminal.type("sleep 60")
        time.sleep(0.5)
        os.write(terminal.fd, b"\x03")  # ends sleep, not homeport
        terminal.wait_for("test$ ")
        terminal.type("exit 5")
        assert terminal.end() == 0
    finally:
        terminal.close()
    assert repository.start("last", "--json").end().stdout == before
    assert repository.git("status", "--short") == ""


def test_a_terminal_that_hangs_up_ends_the_shell(repository: Repository) -> None:
    repository.run("make")
    terminal = opened(repository, "shell", "test")
    terminal.wait_for("test$ ")
    os.close(terminal.fd)
    assert terminal.process.wait(20) != 0


def test_sigterm_ends_the_shell(repository: Repository) -> None:
    repository.run("make")
    terminal = opened(repository, "shell", "test")
    try:
        terminal.wait_for("test$ ")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end(15) == 130
    finally:
        terminal.close()


@pytest.mark.parametrize(
    "args",
    [("shell", "test"), ("run", "test", "--shell-on-failure")],
    ids=["shell", "shell-on-failure"],
)
def test_without_a_terminal_nothing_is_run(tmp_path: Path, args: tuple[str, ...]) -> None:
    repository = Repository(tmp_path / "p", CI, tmp_path / "h")
    done = repository.start(*args).end()
    assert done.status == 2
    assert "needs a terminal" in done.stderr
    assert list(repository.state.glob("*/runs/*")) == []


def test_a_job_name_does_nothing_in_the_prompt(tmp_path: Path) -> None:
    name = "$(touch $HOME/evil)`touch $HOME/evil`\\u"
    repository = Repository(tmp_path / "p", json.dumps({name: {"script": "x"}}), tmp_path / "h")
    terminal = opened(repository, "shell", name)
    try:
        terminal.wait_for("evil??u$ ")
        terminal.type("exit")
        assert terminal.end() == 0
    finally:
        terminal.close()
    assert not (repository.home / "evil").exists()


def test_a_shell_is_of_one_job(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "p", CI, tmp_path / "h")
    terminal = opened(repository, "shell", "*")
    try:
        terminal.wait_for("* is more than one job")
        assert terminal.end() == 2
    finally:
        terminal.close()
