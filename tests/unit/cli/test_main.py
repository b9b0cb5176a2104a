"""The command line as a person meets it: help, wrong usage, one boundary for errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = ["run", "list", "lint", "render", "explain", "completion"]


def homeport(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "homeport", *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command: str) -> None:
    done = homeport(command, "--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout


def test_version() -> None:
    assert homeport("--version").stdout.startswith("homeport ")


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("no-such-command",),
        ("run", "--concurrency", "0"),
        ("run", "--executor", "moon"),
        ("list", "--variable", "1BAD=x"),
        ("list", "--variable", "novalue"),
        ("list", "--variable", "é=1"),
        ("list", "--names", "--json"),
        ("list", "-C", "/no/such/folder"),
        ("explain",),
    ],
)
def test_wrong_usage_is_exit_2_and_one_error(args: tuple[str, ...], tmp_path: Path) -> None:
    done = homeport(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("error:") + done.stderr.count("usage:") >= 1
    assert "Traceback" not in done.stderr


def test_outside_a_repository(tmp_path: Path) -> None:
    done = homeport("list", cwd=tmp_path)
    assert done.returncode == 2
    assert "is not in a git repository" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_completes_job_names(shell: str) -> None:
    done = homeport("completion", shell)
    assert done.returncode == 0
    assert "_homeport_jobs" in done.stdout
    assert "--fail-on-blocked" in done.stdout


def test_zsh_completes_more_than_one_job() -> None:
    script = homeport("completion", "zsh").stdout
    assert script.count(":_homeport_jobs") == 7
    assert '"*:a job, a parallel group or a glob' in script


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "homeport", "completion", "bash"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    os.close(write)
    assert done.stderr == ""
