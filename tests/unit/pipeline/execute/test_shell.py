import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from homeport.lib.git import Git
from homeport.pipeline.execute.api import (
    ExecutorError,
    Exit,
    JobSpec,
    Selection,
    Session,
    Snapshot,
    Stop,
)
from homeport.pipeline.execute.script import script_text
from homeport.pipeline.execute.shell import ShellExecutor, clean_environment, find_shell
from homeport.pipeline.execute.snapshot import take_snapshot
from testbed.trees import a_tree

HOST = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"}


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[ShellExecutor]:
    made = ShellExecutor(tmp_path / "builds", host_env=HOST)
    yield made
    made.close()


def spec(env: Mapping[str, str] = {}, project_path: str = "group/name") -> JobSpec:
    return JobSpec(run="r", job="j", attempt=1, env=env, files={}, project_path=project_path)


def session(executor: ShellExecutor, tmp_path: Path, env: Mapping[str, str] = {}) -> Session:
    opened = executor.open(spec(env), lambda _: None)
    opened.put(Snapshot(root=tmp_path, files=(), git=None, objects=None), ())
    return opened


def output(opened: Session, *commands: str) -> list[str]:
    out: list[bytes] = []
    ended = opened.run(script_text(commands), out.append, Stop())
    assert ended == Exit(code=0), b"".join(out)
    lines = b"".join(out).decode("utf-8", "replace").splitlines()
    return [line for line in lines if not line.startswith("$ ")]


@pytest.mark.parametrize(
    ("host", "pass_env", "expected"),
    [
        ({}, (), {"PATH": "/usr/local/bin:/usr/bin:/bin"}),
        ({"PATH": "/bin", "HOME": "/h", "USER": "u", "LOGNAME": "u", "SHELL": "/bin/sh"}, (),
         {"PATH": "/bin", "HOME": "/h", "USER": "u", "LOGNAME": "u", "SHELL": "/bin/sh"}),
        ({"PATH": "/bin", "LANG": "C", "LC_ALL": "C", "LC_TIME": "C", "TMPDIR": "/t"}, (),
         {"PATH": "/bin", "LANG": "C", "LC_ALL": "C", "LC_TIME": "C", "TMPDIR": "/t"}),
        ({"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "x", "GITHUB_TOKEN": "x", "SSH_AUTH_SOCK": "x",
          "CI_JOB_TOKEN": "x", "CANARY": "x", "BASH_ENV": "x", "TERM": "x", "DISPLAY": "x"}, (),
         {"PATH": "/bin"}),
        ({"PATH": "/bin", "MINE": "1", "OTHER": "2"}, ("MINE", "ABSENT"),
         {"PATH": "/bin", "MINE": "1"}),
    ],
)  # fmt: skip
def test_the_environment_is_clean(
    host: dict[str, str], pass_env: tuple[str, ...], expected: dict[str, str]
) -> None:
    assert clean_environment(host, pass_env) == expected


def test_a_job_sees_only_the_clean_environment_and_its_own(
    executor: ShellExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "seen")
    names = {
        line.partition("=")[0]
        for line in output(session(executor, tmp_path, {"MINE": "1", "HOME": "/mine"}), "env")
    }
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {
        "PATH",
        "HOME",
        "MINE",
        "HOMEPORT_SESSION",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_KEY_0",
        "GIT_CONFIG_VALUE_0",
    }


def test_no_process_list_shows_the_script_or_a_variable(
    executor: ShellExecutor, tmp_path: Path
) -> None:
    opened = session(executor, tmp_path, {"SECRET": "hunter22"})
    seen = "".join(output(opened, "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' || true"))
    assert "hunter22" not in seen
    assert "cmdline" not in seen.replace("cat /proc", "").replace("/cmdline", "")


def test_the_shell_is_bash_where_there_is_one(executor: ShellExecutor, tmp_path: Path) -> None:
    assert output(session(executor, tmp_path), 'echo "${BASH_VERSION:+bash} $0"') == [
        "bash /usr/bin/bash"
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("dash", "dash"), ("sh", "sh")],
)
def test_another_shell_can_be_asked_for(wanted: str, expected: str) -> None:
    assert find_shell(wanted, HOST["PATH"]).endswith(f"/{expected}")


@pytest.mark.parametrize(
    ("wanted", "path", "message"),
    [
        (None, "/nowhere", "neither bash nor sh is on the PATH"),
        (None, "", "neither bash nor sh is on the PATH"),
        ("zsh", "/nowhere", "the shell zsh is not there"),
        ("/etc/passwd", "/bin", "the shell /etc/passwd is not there"),
    ],
)
def test_a_missing_shell_is_said(wanted: str | None, path: str, message: str) -> None:
    with pytest.raises(ExecutorError, match=message):
        find_shell(wanted, path)


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("group/name", "/0/group/name"),
        ("../../etc", "/0/etc"),
        ("/", "/0/project"),
        ("", "/0/project"),
        ("a//b/./c", "/0/a/b/c"),
    ],
)
def test_the_project_folder_stays_in_the_builds_folder(
    executor: ShellExecutor, tmp_path: Path, path: str, end: str
) -> None:
    assert executor.project_dir("r", "j", 1, path) == f"{tmp_path.resolve()}/builds{end}"


def test_each_attempt_has_a_folder_of_its_own(executor: ShellExecutor) -> None:
    keys = [("r", "a", 1), ("r", "a", 2), ("r", "b", 1)]
    assert len({executor.project_dir(*key, "g/n") for key in keys}) == 3
    assert executor.project_dir("r", "a", 1, "g/n") == executor.project_dir("r", "a", 1, "g/n")


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"A": "x" * 3_000_000}, "the job's environment is too large for this system"),
        ({"A": "a\0b"}, "the job's environment is impossible"),
        ({"A=B": "1"}, "the job's environment is impossible"),
    ],
)
def test_an_environment_that_cannot_be_is_said(
    executor: ShellExecutor, tmp_path: Path, env: dict[str, str], message: str
) -> None:
    opened = session(executor, tmp_path, env)
    with pytest.raises(ExecutorError, match=message):
        opened.run(script_text(["true"]), lambda _: None, Stop())


def test_a_project_folder_that_is_gone_is_said(executor: ShellExecutor, tmp_path: Path) -> None:
    opened = session(executor, tmp_path)
    output(opened, 'rm -rf "$PWD"')
    with pytest.raises(ExecutorError, match=r"the project folder .*/group/name is gone"):
        opened.run(script_text(["true"]), lambda _: None, Stop())


def git(root: Path, *args: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *identity, *args], cwd=root, check=True, capture_output=True)


def test_git_works_in_the_workspace_and_untracked_files_are_found(
    executor: ShellExecutor, tmp_path: Path
) -> None:
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / ".gitignore").write_text("*.log\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    sha = Git(root).run("rev-parse", "HEAD").decode().strip()
    taken = take_snapshot(Git(root), root, sha, into=tmp_path / "git", branch="main")
    opened = executor.open(spec(), lambda _: None)
    opened.put(taken, ())
    assert output(opened, "git log --format=%s; git status --porcelain; git branch -r") == [
        "first",
        "  origin/main",
    ]
    output(opened, "echo x > made; echo y > made.log; git config core.fsmonitor 'touch /tmp/ran'")
    tree = a_tree(tmp_path)
    unmatched = opened.collect(Selection(untracked=True), tree)
    assert (tree.count, unmatched) == (2, ())
    assert {path.name for path in Path(tree.root).iterdir()} == {"made", "made.log"}


def test_untracked_files_without_a_repository_are_an_error_in_words(
    executor: ShellExecutor, tmp_path: Path
) -> None:
    opened = session(executor, tmp_path)
    with pytest.raises(ExecutorError, match="cannot list the untracked files"):
        opened.collect(Selection(untracked=True), a_tree(tmp_path))
