"""Bad input: one clear error, exit 2, nothing written, no traceback."""

import subprocess
from pathlib import Path

import pytest

from testbed.runs import homeport

CASES = {
    # name: (content of .gitlab-ci.yml, words of the error)
    "invalid yaml": ("job:\n  script: [echo\nother: x\n", ".gitlab-ci.yml:"),
    "tab": ("job:\n\tscript: echo\n", ".gitlab-ci.yml:2:"),
    "not a mapping": ("- a\n- b\n", "Invalid configuration format"),
    "empty": ("", ""),
    "binary": ("\x00\x01\x02", ""),
    "unknown keyword": ("job:\n  script: x\n  skript: y\n", "unknown keys: skript"),
    "no job": ("stages: [a]\n", "should contain at least one visible job"),
    "script is no script": ("job:\n  script: {a: b}\n", "jobs:job:script config should be"),
    "no script": ("job:\n  image: x\n", "script:, run:, or trigger: keyword"),
    "missing need": ("job:\n  script: x\n  needs: [gone]\n", "undefined need: gone"),
    "unknown stage": ("job:\n  script: x\n  stage: moon\n", "chosen stage moon does not exist"),
    "cycle of needs": (
        "a:\n  script: x\n  needs: [b]\nb:\n  script: x\n  needs: [a]\n",
        "circular dependencies",
    ),
    "cycle of extends": (
        "a:\n  extends: b\n  script: x\nb:\n  extends: a\n  script: x\n",
        "circular dependency",
    ),
    "cycle of references": ("a:\n  script: !reference [a, script]\n", "circular"),
    "missing include": ("include: gone.yml\na:\n  script: x\n", "`gone.yml` does not exist"),
    "include of itself": ("include: .gitlab-ci.yml\na:\n  script: x\n", ""),
    "include outside": ("include: ../../etc/passwd.yml\na:\n  script: x\n", "does not exist"),
    "bad expression": (
        "a:\n  script: x\n  rules: [{if: '$A ='}]\n",
        "invalid expression syntax",
    ),
    "yaml bomb": (
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n"
            for n in range(12)
        ),
        "too big",
    ),
    "deep nesting": ("a: " + "[" * 100_000, ""),
    "ten megabytes": ("a: " + "x" * 10_000_000 + "\n", ""),
    "null file": ("~\n", ""),
    "date": ("a: 2020-01-01\n", "Date"),
}
COMMANDS = ["list", "lint", "render", "run"]


def make_repository(path: Path) -> Path:
    path.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=path, check=True)
    return path


def commit(path: Path) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@x.org"]
    subprocess.run(["git", "add", "-A"], cwd=path, check=True)
    subprocess.run(["git", *identity, "commit", "-qm", "c", "--allow-empty"], cwd=path, check=True)


def assert_one_error(done: subprocess.CompletedProcess[str], words: str, home: Path) -> None:
    assert done.returncode == 2, done.stdout[-500:] + done.stderr[-500:]
    assert words in done.stderr
    assert "error:" in done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert len(done.stderr) < 5_000
    assert not list(home.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", CASES)
def test_bad_file(case: str, command: str, tmp_path: Path) -> None:
    content, words = CASES[case]
    home = tmp_path / "home"
    home.mkdir()
    repository = make_repository(tmp_path / "repository")
    (repository / ".gitlab-ci.yml").write_text(content)
    commit(repository)
    assert_one_error(homeport(command, cwd=repository, home=home), words, home)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_file(command: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    repository = make_repository(tmp_path / "repository")
    commit(repository)
    done = homeport(command, cwd=repository, home=home)
    assert_one_error(done, ".gitlab-ci.yml does not exist", home)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_for_a_file(command: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    repository = make_repository(tmp_path / "repository")
    (repository / ".gitlab-ci.yml").mkdir()
    (repository / ".gitlab-ci.yml" / "file").write_text("x")
    commit(repository)
    done = homeport(command, cwd=repository, home=home)
    assert_one_error(done, ".gitlab-ci.yml is a folder", home)


def test_a_repository_without_a_commit_lists_and_lints_but_does_not_run(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    repository = make_repository(tmp_path / "repository")
    (repository / ".gitlab-ci.yml").write_text(
        "job:\n  script: x\nunset:\n  script: x\n  rules: [{if: '$CI_COMMIT_SHA == null'}]\n"
    )
    for command in ("list", "lint", "render"):
        done = homeport(command, cwd=repository, home=home)
        assert done.returncode == 0, done.stderr
    assert "unset" in homeport("list", cwd=repository, home=home).stdout
    assert homeport("explain", "job", cwd=repository, home=home).returncode == 0
    assert_one_error(homeport("run", cwd=repository, home=home), "has no commit", home)
