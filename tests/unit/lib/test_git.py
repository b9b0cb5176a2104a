import subprocess
from pathlib import Path

import pytest

from homeport.errors import ExitCode, MissingError
from homeport.lib.git import Git, GitError, find_root


def git(folder: Path, *args: str) -> None:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    subprocess.run(
        ["git", *identity, *args], cwd=folder, check=True, capture_output=True, timeout=30
    )


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    root = tmp_path / "work"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "file").write_text("one\n")
    git(root, "add", "file")
    git(root, "commit", "-qm", "First")
    return root


def test_run_gives_standard_output(repository: Path) -> None:
    assert Git(repository).run("rev-parse", "--abbrev-ref", "HEAD") == b"main\n"


def test_run_feeds_standard_input(repository: Path) -> None:
    out = Git(repository).run("cat-file", "--batch-check=%(objecttype)", input=b"HEAD\n")
    assert out == b"commit\n"


def test_failure_is_git_s_own_last_complaint(repository: Path) -> None:
    with pytest.raises(GitError, match=r"git cat-file: fatal: .*no-such"):
        Git(repository).run("cat-file", "-p", "no-such")


def test_try_run_gives_none_where_git_fails(repository: Path) -> None:
    assert Git(repository).try_run("rev-parse", "--verify", "--quiet", "no-such") is None


def test_secrets_in_addresses_are_removed_from_complaints(repository: Path) -> None:
    with pytest.raises(GitError) as caught:
        Git(repository).run("ls-remote", "https://ann:hunter2@127.0.0.1:1/x.git")
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_a_slow_git_is_stopped(repository: Path) -> None:
    git(repository, "config", "alias.sleepy", "!sleep 30")
    with pytest.raises(GitError, match=r"did not answer within 0\.2 seconds"):
        Git(repository).run("sleepy", timeout=0.2)


def test_a_missing_git_is_named_with_the_remedy(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(repository / "nowhere"))
    with pytest.raises(MissingError, match="git is not installed") as caught:
        Git(repository).run("status")
    assert caught.value.exit_code is ExitCode.ENVIRONMENT
    assert caught.value.problems[0].hint


def test_config_keeps_every_value_in_order(repository: Path) -> None:
    git(repository, "config", "remote.origin.url", "https://one.example/a.git")
    git(repository, "config", "--add", "remote.origin.url", "https://two.example/a.git")
    config = Git(repository).config
    assert config["remote.origin.url"] == ("https://one.example/a.git", "https://two.example/a.git")
    assert not [key for key in config if key.startswith("homeport.")]


def test_variables_of_the_caller_choose_no_other_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    assert Git(repository).run("ls-files") == b"file\n"


def test_the_repository_cannot_move_its_working_tree(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not in the repository")
    git(repository, "config", "core.worktree", str(tmp_path))
    out = Git(repository).run("ls-files", "--others", "--cached")
    assert out == b"file\n"


def hostile(root: Path, alarm: str) -> None:
    """Every command that a repository can name, each of which would leave the file `alarm`."""
    for hook in ("post-index-change", "reference-transaction", "post-checkout", "pre-commit"):
        path = root / ".git" / "hooks" / hook
        path.write_text(f"#!/bin/sh\n{alarm}\n")
        path.chmod(0o755)
    script = root / ".git" / "alarm"
    script.write_text(f"#!/bin/sh\n{alarm}\ncat\n")
    script.chmod(0o755)
    for key in (
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "core.gitProxy",
        "core.askPass",
        "core.editor",
        "credential.helper",
        "diff.external",
        "diff.evil.command",
        "diff.evil.textconv",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "filter.e=vil.clean",
        "gpg.program",
        "pager.diff",
        "pager.status",
        "remote.origin.uploadpack",
        "hook.evil.command",
    ):
        git(root, "config", key, str(script))
    git(root, "config", "hook.evil.event", "post-index-change")
    git(root, "config", "alias.status", f"!{script}")
    git(root, "config", "alias.ls-files", f"!{script}")
    git(root, "config", "remote.origin.url", f"ext::{script}")
    git(root, "config", "url.ext::x.insteadOf", "https://example.com/")
    (root / ".gitattributes").write_text("file filter=evil diff=evil\nother filter=e=vil\n")
    (root / "other").write_text("x")
    (root / "file").write_text("changed\n")


CALLS = [
    ("status", "--porcelain", "-z"),
    ("diff", "--name-only", "-z", "HEAD", "--"),
    ("diff", "HEAD", "--"),
    ("diff", "--stat", "HEAD", "--"),
    ("log", "-p", "-1", "--show-signature"),
    ("show", "HEAD"),
    ("ls-files", "-z", "-t", "--stage", "--cached", "--others", "--deleted", "--exclude-standard"),
    ("for-each-ref",),
    ("cat-file", "-p", "HEAD"),
    ("hash-object", "file"),
    ("rev-parse", "HEAD"),
    ("update-ref", "refs/x/y", "HEAD"),
    ("read-tree", "HEAD"),
    ("checkout-index", "-a", "-f"),
    ("ls-remote", "origin"),
    ("ls-remote", "https://example.com/a.git"),
    ("ls-remote", "ssh://127.0.0.1:1/a.git"),
    ("fetch", "origin"),
]


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_nothing_of_a_hostile_repository_runs(
    repository: Path, tmp_path: Path, call: tuple[str, ...]
) -> None:
    alarm = tmp_path / "alarm"
    hostile(repository, f"touch {alarm}")
    Git(repository).try_run(*call, timeout=20)
    assert not alarm.exists()


def test_the_hostile_repository_does_run_its_commands_without_the_wrapper(
    repository: Path, tmp_path: Path
) -> None:
    alarm = tmp_path / "alarm"
    hostile(repository, f"touch {alarm}")
    subprocess.run(
        ["git", "diff", "HEAD"], check=False, cwd=repository, capture_output=True, timeout=30
    )
    assert alarm.exists()


def test_root_is_found_from_below(repository: Path) -> None:
    below = repository / "a" / "b"
    below.mkdir(parents=True)
    assert find_root(below) == repository


def test_root_of_a_worktree_and_of_a_submodule_is_their_own(
    repository: Path, tmp_path: Path
) -> None:
    git(repository, "worktree", "add", "-q", str(tmp_path / "other"))
    allow = ("-c", "protocol.file.allow=always")
    git(repository, *allow, "submodule", "add", "-q", str(repository), "sub")
    assert find_root(tmp_path / "other") == tmp_path / "other"
    assert find_root(repository / "sub") == repository / "sub"
    assert Git(repository / "sub").run("ls-files") == b"file\n"
    assert Git(tmp_path / "other").run("ls-files") == b"file\n"


def test_a_folder_that_only_looks_like_a_repository_is_passed_over(repository: Path) -> None:
    fake = repository / "fake"
    (fake / ".git").mkdir(parents=True)
    assert find_root(fake) == repository


def test_there_is_no_root_outside(tmp_path: Path) -> None:
    assert find_root(tmp_path) is None
