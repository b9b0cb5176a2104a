"""What a person at a terminal is asked: manual jobs that block, and the form of a web pipeline."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.runs import Repository
from testbed.terminal import OnTerminal

MANUAL = """\
stages: [build, gate, deploy]
build: {stage: build, script: [echo built]}
approve:
  stage: gate
  script: [echo approved]
  when: manual
  allow_failure: false
  manual_confirmation: Is everybody there?
other: {stage: gate, script: [echo other], when: manual, allow_failure: true}
deploy: {stage: deploy, script: [echo deployed]}
"""
FORM = """\
spec:
  inputs:
    size: {type: number, description: How large?, options: [1, 2], default: 1}
    name: {}
---
variables:
  TARGET: {description: Where to?, options: [staging, production], value: staging}
  TOKEN: {description: What opens it?}
  QUIET: {value: unasked}
job:
  script: ['echo "size $[[ inputs.size ]], $[[ inputs.name ]]: $TARGET $TOKEN $QUIET"']
"""

Open = Callable[..., OnTerminal]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    terminals: list[OnTerminal] = []

    def start(text: str, *args: str) -> OnTerminal:
        repository = Repository(tmp_path / "project", text, tmp_path / "home")
        terminals.append(OnTerminal(repository, *args))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def test_a_manual_job_starts_when_it_is_named_and_confirmed(opened: Open) -> None:
    terminal = opened(MANUAL, "run")
    terminal.wait_for("waits for manual jobs: approve, other")
    terminal.wait_for("Start which")
    terminal.type("nobody")
    terminal.wait_for("there is no such manual job")
    terminal.type("approve")
    terminal.wait_for("approve: Is everybody there? [y/N] ")
    terminal.type("y")
    terminal.wait_for("approved")
    terminal.wait_for("deployed")
    terminal.wait_for("Pipeline succeeded")
    assert terminal.end() == 0


def test_no_answer_leaves_the_pipeline_blocked(opened: Open) -> None:
    terminal = opened(MANUAL, "run", "--fail-on-blocked")
    terminal.wait_for("Start which")
    terminal.type("")
    terminal.wait_for("It waits for manual jobs: approve")
    assert terminal.end() == 1


@pytest.mark.parametrize("text", [MANUAL, MANUAL.partition("other:")[0]], ids=["first", "last"])
def test_an_interrupt_ends_the_question(opened: Open, text: str) -> None:
    terminal = opened(text, "run")
    terminal.wait_for("Start which")
    os.kill(terminal.process.pid, signal.SIGINT)
    assert terminal.end() == 130


@pytest.mark.parametrize("args", [("--no-input",), ("--json",)])
def test_nobody_is_asked_who_does_not_want_it(opened: Open, args: tuple[str, ...]) -> None:
    terminal = opened(MANUAL, "run", *args)
    assert terminal.end() == 0
    assert b"Start which" not in terminal.seen


def test_the_form_of_a_web_pipeline_is_filled_in(opened: Open) -> None:
    terminal = opened(FORM, "run", "--as", "web")
    terminal.wait_for("How large?\r\n  one of 1, 2\r\nsize [1]: ")
    terminal.type("3")
    terminal.wait_for("`3` cannot be used because it is not in the list of allowed options")
    terminal.type("2")
    terminal.wait_for("name: ")
    terminal.type("")
    terminal.wait_for("a value is required")
    terminal.type("me")
    terminal.wait_for("Where to?\r\n  one of staging, production\r\nTARGET [staging]: ")
    terminal.type("nowhere")
    terminal.wait_for("nowhere is not one of staging, production")
    terminal.type("")
    terminal.wait_for("TOKEN: ")
    terminal.type("open-sesame")
    terminal.wait_for("size 2, me: staging [MASKED] unasked")
    assert terminal.end() == 0
    assert b"open-sesame" not in terminal.all


def test_inputs_that_are_wrong_in_the_file_are_refused_not_asked_for(opened: Open) -> None:
    broken = """\
spec:
  inputs:
    1: {type: number, default: text}
    kind: {type: [], options: 7}
    word: text
---
job: {script: [exit 0]}
"""
    terminal = opened(broken, "run", "--as", "web")
    terminal.wait_for("word")  # the one that is asked for, or the refusal
    terminal.type("x")
    assert terminal.end() == 2
    assert b"internal error" not in terminal.all


def test_what_is_given_is_not_asked_for(opened: Open) -> None:
    given = ("--input", "name=x", "--input", "size=2", "--variable", "TARGET=production")
    terminal = opened(FORM, "run", "--as", "web", *given, "--variable", "TOKEN=")
    terminal.wait_for("size 2, x: production  unasked")
    assert terminal.end() == 0


def test_without_a_terminal_the_defaults_hold_and_what_is_required_is_missed(
    tmp_path: Path,
) -> None:
    repository = Repository(tmp_path / "project", FORM, tmp_path / "home")
    done = repository.start("run", "--as", "web").end()
    assert done.status == 2
    assert "`name` input: required value has not been provided" in done.stderr
    done = repository.start("run", "--as", "web", "--input", "name=x").end()
    assert done.status == 0
    assert "size 1, x: staging  unasked" in done.stdout
