from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from homeport.errors import UsageError
from homeport.lib.git import Git
from homeport.pipeline.facts.repository import NULL_SHA, read_trigger
from homeport.pipeline.facts.wanted import Wanted
from homeport.pipeline.model.trigger import Project, Trigger

Run = Callable[..., str]
NOW = "2026-08-01T00:00:00Z"


def read(root: Path, *, count_changes: bool = True, **wanted: Any) -> Trigger:
    return read_trigger(Git(root), now=NOW, count_changes=count_changes, wanted=Wanted(**wanted))


def test_a_branch(work: Path, run: Run) -> None:
    trigger = read(work)
    assert trigger.root == str(work)
    assert (trigger.branch, trigger.tag, trigger.ref) == ("main", None, "main")
    assert trigger.commit is not None
    assert trigger.commit.sha == run("rev-parse", "HEAD")
    assert trigger.commit.title == "First"
    assert trigger.commit.message == "First\n\nBody line.\nMore.\n"
    assert trigger.commit.description == "\nBody line.\nMore."
    assert trigger.commit.author == "Ann Example <ann@example.com>"
    assert trigger.commit.timestamp == "2026-01-31T17:00:00-03:30"
    assert (trigger.user_name, trigger.user_email) == ("Ann Example", "ann@example.com")
    assert trigger.created_at == NOW
    assert (trigger.uncommitted, trigger.untracked) == (0, 0)


def test_what_was_pushed_before(work: Path, run: Run) -> None:
    before = run("rev-parse", "HEAD")
    run("commit", "-q", "--allow-empty", "-m", "Second")
    assert read(work).before_sha == before
    assert read(work, kind="schedule").before_sha == NULL_SHA
    run("checkout", "-q", "-b", "new")
    assert read(work).before_sha == NULL_SHA


def test_a_branch_that_follows_another_name(work: Path, run: Run) -> None:
    before = run("rev-parse", "HEAD")
    run("checkout", "-q", "-b", "topic", "--track", "origin/main")
    run("commit", "-q", "--allow-empty", "-m", "Second")
    assert read(work).before_sha == before


def test_counts(work: Path) -> None:
    (work / "a.txt").write_text("changed\n")
    (work / "sub" / "b.txt").unlink()
    (work / "new.txt").write_text("new\n")
    trigger = read(work)
    assert (trigger.uncommitted, trigger.untracked) == (2, 1)
    trigger = read(work, count_changes=False)
    assert (trigger.uncommitted, trigger.untracked) == (0, 0)


@pytest.mark.parametrize(
    ("tags", "tag", "message"),
    [
        ([("tag", "v1")], "v1", None),
        ([("tag", "-m", "One\n\nNotes", "v1")], "v1", "One\n\nNotes"),
        ([("tag", "light"), ("tag", "-a", "-m", "Heavy", "heavy")], "heavy", "Heavy"),
        ([], None, None),
    ],
)
def test_a_detached_head(
    work: Path, run: Run, tags: list[tuple[str, ...]], tag: str | None, message: str | None
) -> None:
    for command in tags:
        run(*command)
    run("checkout", "-q", "--detach")
    trigger = read(work)
    assert (trigger.branch, trigger.tag, trigger.tag_message) == (None, tag, message)
    assert trigger.ref == (tag or run("rev-parse", "HEAD")[:8])
    assert trigger.before_sha == NULL_SHA


def test_a_tag_at_the_head_of_a_branch_changes_nothing(work: Path, run: Run) -> None:
    run("tag", "v1")
    assert read(work).branch == "main"


def test_another_ref_can_be_asked_for(work: Path, run: Run) -> None:
    run("tag", "-a", "-m", "One", "v1")
    trigger = read(work, tag="v1")
    assert (trigger.branch, trigger.tag, trigger.tag_message) == (None, "v1", "One")
    trigger = read(work, branch="other")
    assert (trigger.branch, trigger.tag, trigger.before_sha) == ("other", None, NULL_SHA)


@pytest.mark.parametrize(
    ("url", "project"),
    [
        ("https://ann:secret@gitlab.com/g/n.git", Project(host="gitlab.com", path="g/n")),
        (
            "ssh://git@git.corp:2222/g/s/n.git",
            Project(host="git.corp", path="g/s/n", ssh_port=2222),
        ),
        ("git@gitlab.com:g/n.git", Project(host="gitlab.com", path="g/n")),
        ("/srv/x.git", Project(host="gitlab.invalid", path="local/work")),
        (None, Project(host="gitlab.invalid", path="local/work")),
    ],
)
def test_the_project(work: Path, run: Run, url: str | None, project: Project) -> None:
    run("remote", "remove", "origin")
    if url is not None:
        run("remote", "add", "origin", url)
    trigger = read(work)
    assert trigger.project == project
    assert "secret" not in repr(trigger)


@pytest.mark.parametrize(
    ("commands", "default"),
    [
        ([], "main"),
        ([("branch", "master")], "main"),
        ([("branch", "trunk"), ("config", "init.defaultBranch", "trunk")], "trunk"),
        ([("config", "init.defaultBranch", "absent")], "main"),
        (
            [("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/release/1")],
            "release/1",
        ),
        ([("branch", "-m", "odd"), ("remote", "remove", "origin")], "odd"),
    ],
)
def test_the_default_branch(
    work: Path, run: Run, commands: list[tuple[str, ...]], default: str
) -> None:
    for command in commands:
        run(*command)
    assert read(work).default_branch == default


@pytest.mark.usefixtures("run")
def test_no_commit(tmp_path: Path) -> None:
    trigger = read(tmp_path / "work")
    assert trigger.commit is None
    assert (trigger.branch, trigger.ref, trigger.default_branch) == ("main", "main", "main")


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not in a git repository") as caught:
        read(tmp_path)
    assert caught.value.problems[0].hint


@pytest.mark.usefixtures("work")
def test_a_worktree(run: Run, tmp_path: Path) -> None:
    run("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/stable")
    run("worktree", "add", "-q", "-b", "topic", str(tmp_path / "tree"))
    trigger = read(tmp_path / "tree")
    assert trigger.root == str(tmp_path / "tree")
    assert (trigger.branch, trigger.default_branch) == ("topic", "stable")
    assert trigger.commit is not None


def test_a_submodule_is_a_repository_of_its_own(work: Path, run: Run, tmp_path: Path) -> None:
    run("submodule", "add", "-q", str(tmp_path / "remote.git"), "module")
    trigger = read(work / "module")
    assert trigger.root == str(work / "module")
    assert trigger.branch == "main"
    assert read(work).root == str(work)


@pytest.mark.usefixtures("work")
def test_a_shallow_clone(run: Run, tmp_path: Path) -> None:
    run("commit", "-q", "--allow-empty", "-m", "Second")
    run("push", "-q")
    run("clone", "-q", "--depth=1", (tmp_path / "remote.git").as_uri(), str(tmp_path / "shallow"))
    trigger = read(tmp_path / "shallow")
    assert trigger.commit is not None
    assert (trigger.commit.title, trigger.default_branch) == ("Second", "main")


def test_a_sha256_repository(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "long"
    run("init", "-q", "-b", "main", "--object-format=sha256", str(root))
    run("commit", "-q", "--allow-empty", "-m", "First", cwd=root)
    commit = read(root).commit
    assert commit is not None
    assert len(commit.sha) == 64


def test_odd_names_of_branches(work: Path, run: Run) -> None:
    run("checkout", "-q", "-b", "feature/ä#1.x'\"$(x)")
    assert read(work).branch == "feature/ä#1.x'\"$(x)"


def test_few_processes_are_started(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from homeport.lib import git

    started: list[str] = []
    spawn = git._spawn

    def count(argv: list[str], *rest: object, **more: object) -> object:
        started.append(next(arg for arg in argv[1:] if arg in {"config", "cat-file", "status"}))
        return spawn(argv, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(git, "_spawn", count)
    read(work)
    assert sorted(started) == ["cat-file", "config", "status"]
    started.clear()
    read(work, count_changes=False)
    assert sorted(started) == ["cat-file", "config"]
