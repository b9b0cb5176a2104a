from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from homeport.lib.git import Git
from homeport.pipeline.facts.changes import INVALID_COMPARE_TO, GitFacts
from homeport.pipeline.facts.repository import read_trigger
from homeport.pipeline.facts.wanted import Wanted
from homeport.pipeline.model.trigger import AllChanged, Unresolved

Run = Callable[..., str]


def facts(root: Path, **wanted: Any) -> GitFacts:
    git = Git(root)
    return GitFacts(git, read_trigger(git, now="", wanted=Wanted(**wanted)))


def commit(run: Run, path: Path, text: str) -> None:
    path.write_text(text)
    run("add", "-A")
    run("commit", "-qm", f"Change {path.name}")


def test_nothing_changed_since_the_push(work: Path) -> None:
    assert facts(work).changed_files(None) == ()


def test_everything_since_the_push_counts(work: Path, run: Run) -> None:
    commit(run, work / "committed", "x")
    run("mv", "a.txt", "moved.txt")
    (work / "staged").write_text("x")
    run("add", "staged")
    (work / "sub" / "b.txt").write_text("changed")
    (work / "untracked").write_text("x")
    (work / ".gitignore").write_text("ignored\n")
    (work / "ignored").write_text("x")
    assert facts(work).changed_files(None) == (
        ".gitignore",
        "a.txt",
        "committed",
        "moved.txt",
        "staged",
        "sub/b.txt",
        "untracked",
    )


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "schedule"},
        {"kind": "web"},
        {"kind": "api"},
        {"kind": "trigger"},
        {"kind": "pipeline"},
        {"tag": "v1"},
        {"branch": "never-pushed"},
    ],
)
def test_where_gitlab_has_no_diff(work: Path, given: dict[str, str]) -> None:
    assert isinstance(facts(work, **given).changed_files(None), AllChanged)


def test_without_a_remote_every_branch_is_new(work: Path, run: Run) -> None:
    run("remote", "remove", "origin")
    assert isinstance(facts(work).changed_files(None), AllChanged)


@pytest.mark.usefixtures("run")
def test_without_a_commit_there_is_no_diff(tmp_path: Path) -> None:
    assert isinstance(facts(tmp_path / "work").changed_files(None), AllChanged)
    assert facts(tmp_path / "work").changed_files("main") == Unresolved(INVALID_COMPARE_TO)


@pytest.fixture
def history(work: Path, run: Run) -> Path:
    """GitLab's own example: feature_1 on main, tag_1 in its middle, feature_2 on feature_1."""
    run("checkout", "-q", "-b", "feature_1")
    commit(run, work / "file1.txt", "file 1")
    run("tag", "tag_1")
    commit(run, work / "file2.txt", "file 2")
    run("checkout", "-q", "-b", "feature_2")
    commit(run, work / "file2.txt", "file 2 updated")
    run("checkout", "-q", "main")
    commit(run, work / "main.txt", "main goes on")
    return work


@pytest.mark.parametrize(
    ("head", "base", "changed"),
    [
        ("feature_1", "main", ("file1.txt", "file2.txt")),
        ("feature_2", "main", ("file1.txt", "file2.txt")),
        ("feature_2", "feature_1", ("file2.txt",)),
        ("feature_1", "tag_1", ("file2.txt",)),
        ("feature_2", "tag_1", ("file2.txt",)),
    ],
)
def test_compare_to(
    history: Path, run: Run, head: str, base: str, changed: tuple[str, ...]
) -> None:
    run("checkout", "-q", head)
    assert facts(history).changed_files(base) == changed
    sha = run("rev-parse", base)
    assert facts(history).changed_files(sha) == changed


def test_the_remote_s_branch_goes_before_the_local_one(history: Path, run: Run) -> None:
    run("checkout", "-q", "-b", "topic", "main")
    run("branch", "-f", "main", "feature_1")
    assert facts(history).changed_files("main") == ("main.txt",)


@pytest.mark.parametrize(
    "base",
    ["xyz", "", "--help", "-O/etc/passwd", "a b", "main..x", "HEAD~1", "@{u}", "a\nb", ":/First"],
)
def test_an_unknown_base_is_unresolved_in_gitlab_s_words(work: Path, base: str) -> None:
    assert facts(work).changed_files(base) == Unresolved(INVALID_COMPARE_TO)


def test_histories_that_never_meet_are_unresolved(work: Path, run: Run) -> None:
    run("checkout", "-q", "--orphan", "alone")
    run("commit", "-qm", "Alone")
    found = facts(work).changed_files("main")
    assert isinstance(found, Unresolved)
    assert "no common history" in found.reason


def test_files(work: Path, run: Run, tmp_path: Path) -> None:
    run("submodule", "add", "-q", str(tmp_path / "remote.git"), "module")
    (work / "new file").write_text("x")
    (work / ".gitignore").write_text("ignored\n")
    (work / "ignored").write_text("x")
    (work / "a.txt").unlink()
    run("init", "-q", "nested")
    (work / "nested" / "x").write_text("x")
    assert facts(work).files(None, None) == (".gitignore", ".gitmodules", "new file", "sub/b.txt")


def test_files_of_this_very_project_by_its_name(work: Path) -> None:
    assert facts(work).files("Local/Work", None) == ("a.txt", "sub/b.txt")


@pytest.mark.parametrize(("project", "ref"), [("other/project", None), ("other/project", "main")])
def test_files_of_another_project_are_unresolved(work: Path, project: str, ref: str | None) -> None:
    found = facts(work).files(project, ref)
    assert isinstance(found, Unresolved)
    assert "other/project" in found.reason


def test_equal_questions_are_asked_once(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from homeport.lib import git

    answers = facts(work)
    first = (answers.changed_files(None), answers.changed_files("main"), answers.files(None, None))

    def refuse(*_: object) -> None:
        raise AssertionError("git was started again")

    monkeypatch.setattr(git, "_spawn", refuse)
    again = (answers.changed_files(None), answers.changed_files("main"), answers.files(None, None))
    assert all(one is two for one, two in zip(first, again, strict=True))


def test_names_that_are_no_unicode(work: Path) -> None:
    (work / "b\udcff").write_text("x")
    assert "b\udcff" in (facts(work).files(None, None) or ())  # type: ignore[operator]
    assert facts(work).changed_files(None) == ("b\udcff",)


@pytest.mark.parametrize(
    ("wanted", "changed"),
    [
        ({"kind": "merge-request"}, ("file2.txt", "untracked")),
        ({"kind": "merge-request", "committed": True}, ("file2.txt",)),
        ({"kind": "merge-request", "target_branch": "main"}, None),
        ({"changes_since": "feature_1~1"}, ("file2.txt", "untracked")),
        ({"changes_since": "main~1", "committed": True}, ("file1.txt", "file2.txt")),
        ({"changes_since": "HEAD", "committed": True}, ()),
        ({"ref": "feature_1", "changes_since": "tag_1"}, ("file2.txt",)),
        ({"ref": "tag_1", "branch": "x", "changes_since": "main~1"}, ("file1.txt",)),
    ],
)
def test_what_is_compared(
    history: Path, run: Run, wanted: dict[str, Any], changed: tuple[str, ...] | None
) -> None:
    run("push", "-q", "origin", "main", "feature_1")
    run("checkout", "-q", "feature_2")
    (history / "untracked").write_text("x")
    if wanted.get("kind") and "target_branch" not in wanted:
        wanted = {**wanted, "target_branch": "feature_1"}
    found = facts(history, **wanted).changed_files(None)
    assert found == (changed or found)
    if changed is None:
        assert found == ("file1.txt", "file2.txt", "untracked")


def test_a_target_branch_that_is_not_here(work: Path) -> None:
    found = facts(work, kind="merge-request", target_branch="gone").changed_files(None)
    assert found == Unresolved("this clone has no target branch gone to compare with")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"branch": "new"}, "new to its remote (--changes-since REF"),
        ({"tag": "v1"}, "a tag"),
        ({"kind": "schedule"}, "source schedule"),
    ],
)
def test_why_all_counts_as_changed(work: Path, wanted: dict[str, Any], words: str) -> None:
    found = facts(work, **wanted).changed_files(None)
    assert isinstance(found, AllChanged)
    assert words in found.reason


def test_the_files_of_a_commit(work: Path, run: Run) -> None:
    (work / "untracked").write_text("x")
    (work / "a.txt").unlink()
    (work / "link").symlink_to("sub")
    run("add", "link")
    run("commit", "-qm", "Link")
    assert facts(work).files(None, None) == ("link", "sub/b.txt", "untracked")
    assert facts(work, committed=True).files(None, None) == ("a.txt", "link", "sub/b.txt")
    assert facts(work, ref="HEAD~1").files(None, None) == ("a.txt", "sub/b.txt")


def test_files_at_a_ref_of_this_project(work: Path) -> None:
    (work / "untracked").write_text("x")
    assert facts(work).files(None, "main") == ("a.txt", "sub/b.txt")
    assert isinstance(facts(work).files(None, "gone"), Unresolved)
