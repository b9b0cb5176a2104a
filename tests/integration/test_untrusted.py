"""A repository that nobody trusts: looking at it runs nothing, and it grants itself nothing."""

import subprocess
from pathlib import Path

import pytest

from testbed.runs import homeport

LOOKING = [
    ["list"],
    ["list", "--all", "--json"],
    ["list", "--names"],
    ["lint"],
    ["render"],
    ["explain", "job"],
    ["explain", "job", "--committed"],
    ["explain", "job", "--ref", "main"],
    ["explain", "job", "--changes-since", "HEAD"],
    ["explain", "job", "--as", "merge-request", "--branch", "x"],
]
HOOKS = ["post-checkout", "post-index-change", "reference-transaction", "pre-commit", "fsmonitor"]
PIPELINE = """\
job:
  script: echo fine
  rules:
    - changes: {paths: ["*.txt"], compare_to: main}
    - exists: ["*.txt"]
    - when: always
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose own configuration names a command wherever git would run one."""
    path = tmp_path / "repository"
    path.mkdir()
    canary = tmp_path / "canary"
    script = tmp_path / "evil.sh"
    script.write_text(f'#!/bin/sh\necho "$0 $*" >> {canary}\ncat\n')
    script.chmod(0o755)

    def git(*args: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=e@x.org", *args],
            cwd=path,
            check=True,
            capture_output=True,
        )

    git("init", "-q", "-b", "main")
    (path / ".gitlab-ci.yml").write_text(PIPELINE)
    (path / "a.txt").write_text("a\n")
    (path / ".gitattributes").write_text("*.txt filter=evil diff=evil merge=evil\n")
    git("add", "-A")
    git("commit", "-qm", "c")
    (path / "a.txt").write_text("changed\n")
    for hook in HOOKS:
        target = path / ".git/hooks" / hook
        target.write_text(script.read_text())
        target.chmod(0o755)
    for key in (
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "core.askPass",
        "diff.external",
        "diff.evil.textconv",
        "diff.evil.command",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "credential.helper",
        "gpg.program",
        "alias.ls-files",
        "alias.log",
    ):
        git("config", key, str(script))
    git("config", "core.hooksPath", str(path / ".git/hooks"))
    assert not canary.exists() or canary.unlink() is None
    return path


@pytest.mark.parametrize("args", LOOKING, ids=" ".join)
def test_looking_runs_nothing(args: list[str], repository: Path) -> None:
    done = homeport(*args, cwd=repository, home=repository.parent / "home")
    assert done.returncode == 0, done.stderr
    assert not (repository.parent / "canary").exists()


GRANTS = [
    "[container]\nprivileged = true\n",
    '[container]\ndevices = ["/dev/kvm"]\n',
    '[container]\nvolumes = ["/:/host"]\n',
    "[container]\nssh_agent = true\n",
    'pass_env = ["AWS_SECRET_ACCESS_KEY"]\n',
    'executor = "shell"\n',
    'engine = "tcp://10.0.0.1:2375"\n',
]


@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.parametrize("command", ["run", "list"])
def test_it_cannot_grant_itself_anything(grant: str, command: str, repository: Path) -> None:
    (repository / "homeport.toml").write_text(grant)
    done = homeport(command, cwd=repository, home=repository.parent / "home")
    assert done.returncode == 2
    assert "homeport.toml:" in done.stderr
    assert "cannot set" in done.stderr
    assert done.stdout == ""
