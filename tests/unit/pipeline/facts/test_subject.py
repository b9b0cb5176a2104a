"""Which commit, branch, tag and merge request the flags choose."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from homeport.errors import UsageError
from homeport.lib.git import Git
from homeport.pipeline.facts.repository import NULL_SHA, read_trigger
from homeport.pipeline.facts.wanted import Wanted
from homeport.pipeline.model.trigger import Source, Trigger

Run = Callable[..., str]


def read(root: Path, **wanted: Any) -> Trigger:
    return read_trigger(Git(root), now="", wanted=Wanted(**wanted), count_changes=False)


@pytest.fixture
def history(work: Path, run: Run) -> Path:
    """main is pushed and tagged v1; topic, checked out, has two commits more."""
    run("tag", "-m", "One", "v1")
    run("checkout", "-q", "-b", "topic")
    for name in ("first", "second"):
        (work / name).write_text(name)
        run("add", ".")
        run("commit", "-qm", f"Add {name}\n\nBecause of {name}.\n")
    return work


@pytest.mark.parametrize(
    ("wanted", "source", "branch", "tag", "commit"),
    [
        ({}, "push", "topic", None, "topic"),
        ({"kind": "branch"}, "push", "topic", None, "topic"),
        ({"kind": "branch", "branch": "new"}, "push", "new", None, "topic"),
        ({"kind": "merge-request"}, "merge_request_event", "topic", None, "topic"),
        ({"kind": "schedule"}, "schedule", "topic", None, "topic"),
        ({"kind": "schedule", "tag": "v9"}, "schedule", None, "v9", "topic"),
        ({"kind": "pipeline", "branch": "x"}, "pipeline", "x", None, "topic"),
        ({"kind": "tag", "tag": "v9"}, "push", None, "v9", "topic"),
        ({"kind": "tag", "ref": "main"}, "push", None, "v1", "main"),
        ({"tag": "v9"}, "push", None, "v9", "topic"),
        ({"ref": "main"}, "push", "main", None, "main"),
        ({"ref": "v1"}, "push", None, "v1", "main"),
        ({"ref": "v1", "branch": "x"}, "push", "x", None, "main"),
        ({"ref": "topic~1"}, "push", "topic", None, "topic~1"),
        ({"kind": "web", "ref": "main"}, "web", "main", None, "main"),
        ({"committed": True}, "push", "topic", None, "topic"),
    ],
)
def test_what_is_chosen(
    history: Path,
    run: Run,
    *,
    wanted: dict[str, Any],
    source: str,
    branch: str | None,
    tag: str | None,
    commit: str,
) -> None:
    trigger = read(history, **wanted)
    assert (trigger.source.value, trigger.branch, trigger.tag) == (source, branch, tag)
    assert trigger.commit is not None
    assert trigger.commit.sha == run("rev-parse", f"{commit}^{{commit}}")
    assert trigger.committed is ("ref" in wanted or "committed" in wanted)


def test_a_branch_of_the_remote_can_be_named(history: Path, run: Run) -> None:
    run("branch", "-D", "main")
    assert read(history, ref="main").branch == "main"


def test_a_commit_can_be_named_by_its_sha(history: Path, run: Run) -> None:
    sha = run("rev-parse", "topic~1")
    trigger = read(history, ref=sha[:10])
    assert (trigger.branch, trigger.commit and trigger.commit.sha) == ("topic", sha)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"branch": "a", "tag": "b"}, "--branch and --tag exclude each other"),
        ({"kind": "tag"}, "--as tag: no tag points at the commit that is checked out"),
        ({"kind": "tag", "ref": "topic~1"}, "--as tag: no tag points at topic~1"),
        ({"kind": "tag", "branch": "a"}, "--branch: a tag pipeline has no branch"),
        ({"kind": "branch", "tag": "a"}, "--tag: a branch pipeline has no tag"),
        ({"kind": "merge-request", "tag": "a"}, "--tag: a merge request pipeline has no tag"),
        ({"kind": "branch", "ref": "v1"}, "--as branch: v1 is on no branch"),
        ({"kind": "merge-request", "ref": "main"}, "branch main cannot be merged into itself"),
        ({"kind": "merge-request", "target_branch": "topic"}, "topic cannot be merged into itself"),
        ({"ref": "nothing"}, "--ref nothing: there is no such branch, tag or commit here"),
        ({"ref": "--all"}, "--ref --all: there is no such"),
        ({"ref": "a\nHEAD"}, "there is no such"),
        ({"changes_since": "nothing"}, "--changes-since nothing: there is no such"),
        ({"changes_since": "v1", "tag": "v2"}, "--changes-since: only the push of a branch"),
        ({"changes_since": "v1", "kind": "web"}, "--changes-since: only the push of a branch"),
        ({"changes_since": "main", "ref": "v1"}, "this is no push of a branch"),
        ({"target_branch": "main"}, "--target-branch: only a merge request pipeline has one"),
        ({"draft": True, "kind": "web"}, "--merge-request-draft: only a merge request"),
        ({"labels": ("a",)}, "--merge-request-labels: only a merge request"),
        ({"schedule_description": ""}, "--schedule-description: only a schedule has one"),
    ],
)
def test_what_does_not_go_together(history: Path, wanted: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(history, **wanted)
    assert words in str(caught.value)


@pytest.mark.parametrize("kind", ["branch", "merge-request"])
def test_a_detached_head_is_on_no_branch(history: Path, run: Run, kind: str) -> None:
    run("checkout", "-q", "--detach")
    with pytest.raises(UsageError, match="is on no branch"):
        read(history, kind=kind)
    assert read(history, kind=kind, branch="topic").branch == "topic"


@pytest.mark.usefixtures("run")
def test_nothing_is_committed_yet(tmp_path: Path) -> None:
    assert read(tmp_path / "work", kind="schedule").source is Source.SCHEDULE
    with pytest.raises(UsageError, match="has no commit yet"):
        read(tmp_path / "work", committed=True)


def test_the_merge_request(history: Path, run: Run) -> None:
    run("checkout", "-q", "main")
    (history / "more").write_text("more")
    run("add", ".")
    run("commit", "-qm", "Go on")
    run("push", "-q")
    run("checkout", "-q", "topic")
    request = read(history, kind="merge-request").merge_request
    assert request is not None
    assert request.iid == 1
    assert request.target_branch == "main"
    assert request.target_sha == run("rev-parse", "origin/main")
    assert request.base_sha == run("rev-parse", "topic~2")
    assert (request.title, request.description) == ("Add second", "Because of second.")
    assert not request.draft
    assert (request.labels, request.assignees, request.milestone) == ((), (), None)


@pytest.mark.parametrize(
    ("title", "draft"),
    [
        ("Draft: x", True),
        ("draft:x", True),
        ("[Draft] x", True),
        ("(DRAFT) x", True),
        ("Drafting x", False),
        ("x draft: y", False),
        ("WIP: x", False),
    ],
)
def test_a_draft_by_its_title(history: Path, title: str, draft: bool) -> None:
    request = read(history, kind="merge-request", title=title).merge_request
    assert request is not None
    assert (request.title, request.draft) == (title, draft)


def test_flags_describe_the_merge_request(history: Path) -> None:
    request = read(
        history,
        kind="merge-request",
        iid=7,
        description="D",
        labels=("a", "b"),
        assignees=("ann",),
        milestone="1.0",
        draft=True,
        target_branch="elsewhere",
    ).merge_request
    assert request is not None
    assert (request.iid, request.description, request.draft) == (7, "D", True)
    assert (request.labels, request.assignees, request.milestone) == (("a", "b"), ("ann",), "1.0")
    assert (request.target_branch, request.target_sha, request.base_sha) == (
        "elsewhere",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("wanted", "before"),
    [
        ({}, NULL_SHA),
        ({"branch": "main"}, "origin/main"),
        ({"changes_since": "v1"}, "v1^{commit}"),
        ({"changes_since": "HEAD~1", "kind": "branch"}, "HEAD~1"),
        ({"kind": "merge-request"}, NULL_SHA),
        ({"kind": "schedule", "branch": "main"}, NULL_SHA),
        ({"kind": "web", "branch": "main"}, NULL_SHA),
        ({"tag": "v1"}, NULL_SHA),
    ],
)
def test_the_commit_before(history: Path, run: Run, wanted: dict[str, Any], before: str) -> None:
    expected = before if before == NULL_SHA else run("rev-parse", before)
    assert read(history, **wanted).before_sha == expected


def test_an_open_merge_request_of_a_branch(history: Path) -> None:
    assert read(history, iid=5).open_merge_request == 5
    assert read(history).open_merge_request is None
