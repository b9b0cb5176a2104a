"""Run every case folder beside this file for real; README.md says what a case may expect."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/expected.json"))


PLACES = {
    "shell": [],
    "docker": ["--executor", "container", "--default-image", "debian:bookworm"],
    "podman": ["--executor", "container", "--default-image", "debian:bookworm"],
    "networked": [],  # a Docker engine that can make networks
}
EVERYWHERE = ("shell", "docker", "podman")


class World:
    """A repository made from a case, with a home of its own."""

    def __init__(self, case: Path, tmp: Path, env: dict[str, str]) -> None:
        self.repository = tmp / "group" / case.name
        self.home = tmp / "home"
        self.home.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            **env,
        }
        shutil.copytree(case, self.repository, ignore=shutil.ignore_patterns("expected.json"))
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Test User")
        self.git("config", "user.email", "test@example.com")
        self.git("add", "-A")
        self.git("commit", "-qm", "first commit")

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", *args], cwd=self.repository, env=self.env, check=True, capture_output=True
        )
        return done.stdout.decode()

    def homeport(self, args: list[str], executor: str) -> "Result":
        if args[0] == "run":
            args = [*args, "--json", *PLACES[executor]]
        done = subprocess.run(
            [sys.executable, "-m", "homeport", *args],
            cwd=self.repository,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=100,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


class Result:
    """What one command printed, its events read."""

    def __init__(self, status: int, stdout: str, stderr: str) -> None:
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        self.events: list[dict[str, Any]] = []
        for line in stdout.splitlines():
            if line.startswith('{"event"'):
                self.events.append(json.loads(line))

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The last event of a kind for each job."""
        return {event["job"]: event for event in self.events if event["event"] == kind}

    def started(self, job: str) -> float:
        return next(
            e["time"] for e in self.events if e["event"] == "job_started" and e["job"] == job
        )

    def finished(self, job: str) -> float:
        return float(self.of("job_finished")[job]["time"])

    def log(self, job: str) -> str:
        lines = [
            line
            for event in self.events
            if event["event"] == "job_output" and event["job"] == job
            for line in event["lines"]
        ]
        return "\n" + "\n".join(lines) + "\n"

    def statuses(self) -> dict[str, str]:
        """Final statuses; a job that never left its first status has no event but is in the run."""
        statuses = {}
        for event in self.events:
            if event["event"] == "run_started":
                statuses = dict.fromkeys(event["jobs"], "created")
            elif event["event"] == "child_started":
                statuses |= dict.fromkeys(event["jobs"], "created")
            elif event["event"] == "job_finished":
                word = event["status"] + (" (allowed)" if event.get("allowed") else "")
                statuses[event["job"]] = word
        return statuses


@pytest.fixture
def executor(request: pytest.FixtureRequest) -> str:
    """Where the jobs run: every case holds on every executor, unless it says `only`."""
    return str(request.param)


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, executor: str) -> World:
    case: Path = request.param
    expected = json.loads((case / "expected.json").read_text())
    made = World(case, tmp_path, expected.get("env", {}))
    if executor != "shell":
        made.env["DOCKER_HOST"] = request.getfixturevalue(f"{executor}_address")
    for command in expected.get("setup", ()):
        subprocess.run(command, shell=True, cwd=made.repository, env=made.env, check=True)  # noqa: S602
    return made


@pytest.mark.parametrize(
    ("world", "executor"),
    [
        pytest.param(case, place, id=f"{case.name}-{place}")
        for case in CASES
        for place in json.loads((case / "expected.json").read_text()).get("only", EVERYWHERE)
    ],
    indirect=True,
)
def test_case(world: World, executor: str, request: pytest.FixtureRequest) -> None:
    case: Path = request.node.callspec.params["world"]
    expected = json.loads((case / "expected.json").read_text())
    before = world.git("status", "--ignored", "--porcelain")
    args = expected.get("args", ["run"])
    result = None
    for command in args if isinstance(args[0], list) else [args]:
        result = world.homeport(command, executor)
    assert result is not None
    assert result.status == expected["exit"], result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    if "jobs" in expected:
        assert result.statuses() == expected["jobs"]
    _check_times(result, expected)
    _check_words(result, expected)
    _check_files(world, result, expected)
    assert world.git("status", "--ignored", "--porcelain") == before


def _check_times(result: Result, expected: dict[str, Any]) -> None:
    for first, second in expected.get("order", ()):
        assert result.finished(first) <= result.started(second), (first, second)
    for first, second in expected.get("overlap", ()):
        assert result.started(second) < result.finished(first), (first, second)


def _check_words(result: Result, expected: dict[str, Any]) -> None:
    for job, texts in expected.get("output", {}).items():
        for text in texts:
            assert text in result.log(job)
    for job, texts in expected.get("absent", {}).items():
        for text in texts:
            assert text not in result.log(job)
    for stream in ("stdout", "stderr"):
        for text in expected.get(stream, ()):
            assert text in getattr(result, stream)
        for text in expected.get(f"absent_{stream}", ()):
            assert text not in getattr(result, stream)
    finished = result.of("job_finished")
    for job, word in expected.get("failure_reason", {}).items():
        assert finished[job]["failure_reason"] == word
    for job, text in expected.get("reason", {}).items():
        assert text in finished[job]["reason"]
    for job, count in expected.get("attempts", {}).items():
        starts = [e for e in result.events if e["event"] == "job_started" and e["job"] == job]
        assert len(starts) == count
    if "status" in expected:
        assert result.events[-1]["status"] == expected["status"]
        assert result.events[-1]["blocked"] == expected.get("blocked", [])


def _check_files(world: World, result: Result, expected: dict[str, Any]) -> None:
    for job, files in expected.get("artifacts", {}).items():
        kept = world.home / ".local/state/homeport"
        folders = [path for path in kept.glob("*/runs/*/artifacts/*") if path.name.startswith(job)]
        found = {
            str(path.relative_to(folder)): path.read_text()
            for folder in folders
            for path in folder.rglob("*")
            if path.is_file()
        }
        assert found == files
    secret = expected.get("never")
    if secret:
        assert secret not in result.stdout + result.stderr
        for path in world.home.rglob("*"):
            if path.is_file():
                assert secret.encode() not in path.read_bytes(), path
