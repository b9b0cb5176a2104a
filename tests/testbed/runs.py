"""A repository with a home of its own, and homeport run in it: what a user would do and see."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from homeport.engine.docker import connect

LIMIT = 60.0


def homeport(*args: str, cwd: Path, home: Path) -> "subprocess.CompletedProcess[str]":
    """One command, to its end, with a home of its own and nothing to read."""
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "homeport", *args],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )


class Done:
    """A run that is over; `events` are those of `--json`."""

    def __init__(self, status: int, stdout: bytes | None, stderr: bytes | None) -> None:
        self.status = status
        self.stdout = (stdout or b"").decode("utf-8", "replace")
        self.stderr = (stderr or b"").decode("utf-8", "replace")
        assert "Traceback" not in self.stderr, self.stderr
        assert "internal error" not in self.stderr, self.stderr

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    def finished(self, job: str) -> dict[str, Any]:
        """The last event of a job."""
        return [
            event
            for event in self.events
            if event["event"] == "job_finished" and event["job"] == job
        ][-1]

    def log(self, job: str) -> str:
        return "".join(
            f"{line}\n"
            for event in self.events
            if event["event"] == "job_output" and event["job"] == job
            for line in event["lines"]
        )

    def __repr__(self) -> str:
        return f"{self.status}\n{self.stdout[-4000:]}\n{self.stderr[-4000:]}"


class Started:
    """A run that goes on, in a session of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.signalled = 0.0

    def signal(self, number: int) -> None:
        self.process.send_signal(number)
        self.signalled = time.monotonic()

    def end(self, within: float = LIMIT) -> Done:
        """Wait for the end."""
        try:
            out, err = self.process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise AssertionError(f"it did not end within {within} s: {out!r} {err!r}") from None
        return Done(self.process.returncode, out, err)


class Repository:
    """A git repository at `root` with the CI file `text`; state and caches lie in `home`."""

    def __init__(self, root: Path, text: str, home: Path) -> None:
        self.root = root
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.state = home / ".local/state/homeport"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        root.mkdir(parents=True)
        (root / ".gitlab-ci.yml").write_text(text)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Test User")
        self.git("config", "user.email", "test@example.com")
        self.commit()

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", *args], cwd=self.root, env=self.env, check=True, capture_output=True
        )
        return os.fsdecode(done.stdout)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "a commit")

    def on(self, address: str | None) -> "Repository":
        """Run jobs in containers of this engine, if there is one."""
        if address is not None:
            self.env["DOCKER_HOST"] = address
        return self

    def start(
        self, *args: str, command: Sequence[str] = (), env: Mapping[str, str] = {}, **more: Any
    ) -> Started:
        """Begin `homeport ARGS`, behind the words of `command`."""
        process = subprocess.Popen(
            [*command, sys.executable, "-m", "homeport", *args],
            **{
                "cwd": self.root,
                "env": {**self.env, **env},
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "start_new_session": True,
                **more,
            },
        )
        return Started(process)

    def run(self, *args: str, within: float = LIMIT, **more: Any) -> Done:
        """`homeport run --json ARGS`, to its end."""
        return self.start("run", "--json", *args, **more).end(within)

    def logs(self) -> dict[str, str]:
        """The text of every log file by its name, of all runs."""
        return {
            path.name: path.read_text(errors="replace")
            for path in self.state.glob("*/runs/*/logs/*")
        }

    def wait_for(self, text: str, within: float = 30.0) -> None:
        """Until some log has the line `text`."""
        wait_until(
            lambda: any(text in log.splitlines() for log in self.logs().values()),
            f"no log says {text}",
            within,
        )

    def leftovers(self) -> list[str]:
        """What no ended run may leave: workspaces, prepared repositories, parts of artifacts."""
        patterns = ("*/builds/*", "*/runs/*/git*", "*/runs/*/artifacts/.*", "*/runs/*/.*")
        found = [str(path) for pattern in patterns for path in self.state.glob(pattern)]
        return found + processes_with(os.fsencode(self.home))


def processes_with(text: bytes) -> list[str]:
    """The command lines of processes that have `text` in their environment, but for this one."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            if text in (folder / "environ").read_bytes() and _lives(folder):
                found.append(f"{folder.name}: {(folder / 'cmdline').read_bytes()!r}")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def _lives(folder: Path) -> bool:
    return (folder / "stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def containers(address: str | None, home: Path, run: str | None = None) -> list[str]:
    """The containers of runs whose state lies in `home`, of all of them or of one: the engine of
    the tests is shared by whoever tests at the same time."""
    if address is None:
        return []
    engine = connect(address)
    try:
        listed = engine._call("GET", "/containers/json", {"all": "1"}).body() or ()
    finally:
        engine.close()
    return [
        str(entry["Names"][0])
        for entry in listed
        for labels in [entry.get("Labels") or {}]
        if f"{home}/" in labels.get("homeport.state", "")
        and (run is None or labels.get("homeport.run") == run)
    ]


def wait_until(holds: Callable[[], object], words: str, within: float = 10.0) -> None:
    limit = time.monotonic() + within
    while not holds():
        assert time.monotonic() < limit, words
        time.sleep(0.02)


SIGNALS = {"INT": signal.SIGINT, "TERM": signal.SIGTERM, "HUP": signal.SIGHUP}
