import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]

DATES = {
    "GIT_AUTHOR_DATE": "2026-01-31T16:47:55+02:00",
    "GIT_COMMITTER_DATE": "2026-01-31T17:00:00-03:30",
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """git in the repository `tmp_path/work` (or `cwd`), with a configuration of its own."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name, value in DATES.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "work").mkdir()

    def run(*args: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *args],
            cwd=cwd or tmp_path / "work",
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout.strip()

    run("config", "--global", "user.name", "Ann Example")
    run("config", "--global", "user.email", "ann@example.com")
    run("config", "--global", "protocol.file.allow", "always")
    run("init", "-q", "-b", "main")
    return run


@pytest.fixture
def work(run: Run, tmp_path: Path) -> Path:
    """A repository with one commit on main, pushed to `tmp_path/remote.git` as origin."""
    root = tmp_path / "work"
    (root / "a.txt").write_text("a\n")
    (root / "sub").mkdir()
    (root / "sub" / "b.txt").write_text("b\n")
    run("add", ".")
    run("commit", "-qm", "First\n\nBody line.\nMore.\n")
    run("init", "-q", "--bare", "-b", "main", str(tmp_path / "remote.git"))
    run("remote", "add", "origin", str(tmp_path / "remote.git"))
    run("push", "-q", "-u", "origin", "main")
    return root
