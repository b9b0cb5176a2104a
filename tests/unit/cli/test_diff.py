"""`homeport diff` against a fake server: what is sent, what is said, and the exit status."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from homeport.cli.main import main
from homeport.gitlab.fetch import Fetcher
from testbed.gitlab import FakeGitLab, fake_gitlab
from testbed.web import Answer

CI = """\
workflow:
  rules:
    - if: $CI_COMMIT_BRANCH != "skipped"
build:
  script: [make]
test:
  script: [make test]
  allow_failure: true
  needs: [build]
docs:
  script: [make docs]
  rules:
    - changes: [docs/*]
      when: manual
"""
MERGED = """\
---
:workflow:
  :rules:
  - :if: $CI_COMMIT_BRANCH != "skipped"
:build:
  :script:
  - make
:test:
  :script:
  - make test
  :allow_failure: true
  :needs:
  - build
:docs:
  :script:
  - make docs
  :rules:
  - :changes:
    - docs/*
    :when: manual
"""
JOBS: list[dict[str, Any]] = [
    {"name": "build", "stage": "test", "when": "on_success", "allow_failure": False},
    {"name": "test", "stage": "test", "when": "on_success", "allow_failure": True},
    {"name": "docs", "stage": "test", "when": "manual", "allow_failure": False},
]
SAME = {"valid": True, "errors": [], "warnings": [], "merged_yaml": MERGED, "jobs": JOBS}
PATH = "/projects/group/app/ci/lint"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository on main, and a user without any credential."""
    for name in tuple(os.environ):
        if name.startswith(("GITLAB", "CI_", "HOMEPORT", "HTTP", "http", "NETRC")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    for name, value in {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "NO_PROXY": "*",
    }.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / ".gitlab-ci.yml").write_text(CI)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "start")
    monkeypatch.chdir(folder)
    return folder


def git(folder: Path, *args: str) -> None:
    subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True)


def diff(fake: FakeGitLab, *args: str) -> int:
    return main(["diff", "--server", fake.url, "--project", "group/app", *args])


@pytest.mark.usefixtures("repository")
def test_the_same_on_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    with fake_gitlab({PATH: SAME}) as fake:
        assert diff(fake) == 0
    assert capsys.readouterr().out == (
        f"the same as group/app on {fake.host} (3 jobs); compared: jobs and merged YAML\n"
    )
    assert fake.asked() == [f"POST /api/v4{PATH}"]
    assert fake.questions() == [
        {"content": CI, "dry_run": True, "include_jobs": True, "ref": "main"}
    ]


def with_job(name: str, **changes: Any) -> dict[str, Any]:
    jobs = [{**job, **changes} if job["name"] == name else job for job in JOBS]
    return {**SAME, "jobs": jobs}


DIFFERENT: dict[str, tuple[Mapping[str, Any], list[str]]] = {
    "a job only here": (
        {**SAME, "jobs": JOBS[:2]},
        ["job docs: only here (stage test, rule 1 matched (changes: docs/*))"],
    ),
    "a job only there": (
        {**SAME, "jobs": [*JOBS, {**JOBS[0], "name": "more"}]},
        ["job more: only on the server (stage test)"],
    ),
    "another stage": (
        with_job("build", stage="build"),
        ["job build: stage is test here, build on the server"],
    ),
    "another when": (
        with_job("docs", when="always"),
        ["job docs: when is manual here, always on the server"],
    ),
    "another allow_failure": (
        with_job("test", allow_failure=False),
        ["job test: allow_failure is true here, false on the server"],
    ),
    "other needs": (
        with_job("test", needs=[{"name": "other"}]),
        ["job test: needs is build here, other on the server"],
    ),
    "a value of the YAML": (
        {**SAME, "merged_yaml": MERGED.replace("- make docs", "- make site")},
        ["merged YAML, docs:", "  -  - make docs", "  +  - make site"],
    ),
    "a key of the YAML": (
        {**SAME, "merged_yaml": MERGED + ":default:\n  :retry: 2\n"},
        ["merged YAML, default:", "  +default:", "  +  retry: 2"],
    ),
    "a broken YAML": (
        {**SAME, "merged_yaml": "a: [\n"},
        ["merged YAML, all of it:"],
    ),
    "an error there": (
        {**SAME, "valid": False, "errors": ["build config is strange"], "jobs": []},
        ["error only on the server: build config is strange"],
    ),
    "an error there without words": (
        {**SAME, "valid": False, "jobs": []},
        ["error only on the server: (invalid, without a reason)"],
    ),
}


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(("answer", "lines"), DIFFERENT.values(), ids=DIFFERENT)
def test_a_difference_is_shown(
    capsys: pytest.CaptureFixture[str],
    answer: Mapping[str, Any],
    lines: list[str],
) -> None:
    with fake_gitlab({PATH: answer}) as fake:
        assert diff(fake) == 1
    out = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line not in out] == []
    assert out[-1].startswith(f"1 difference from group/app on {fake.host}; compared: ")


@pytest.mark.usefixtures("repository")
def test_differences_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    with fake_gitlab({PATH: with_job("docs", when="always")}) as fake:
        assert diff(fake, "--json") == 1
    assert json.loads(capsys.readouterr().out) == {
        "same": False,
        "server": f"{fake.url}/api/v4",
        "project": "group/app",
        "compared": ["jobs", "merged YAML"],
        "same_jobs": 2,
        "differences": [
            {"kind": "field", "name": "docs", "field": "when", "ours": "manual", "theirs": "always"}
        ],
    }


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("build:\n  script: 1\n", None),
        ("build:\n  stage: later\n  script: [x]\n", None),
        (CI.replace('"skipped"', '"main"'), "Pipeline filtered out by workflow rules."),
    ],
)
def test_both_refuse_in_the_same_words(
    repository: Path, capsys: pytest.CaptureFixture[str], text: str, error: str | None
) -> None:
    (repository / ".gitlab-ci.yml").write_text(text)
    if error is None:
        main(["lint", "--json"])
        error = json.loads(capsys.readouterr().out)["problems"][0]["message"]
    invalid = {"valid": False, "errors": [error], "warnings": [], "merged_yaml": "", "jobs": []}
    with fake_gitlab({PATH: invalid}) as fake:
        assert diff(fake) == 0
        assert "refuses the file in the same words" in capsys.readouterr().out
        fake.answers[PATH] = SAME
        assert diff(fake) == 1
    assert capsys.readouterr().out.startswith(f"error only here: {error}\n")


def test_static_compares_every_job_of_the_file(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / ".gitlab-ci.yml").write_text(CI.replace("when: manual", "when: never"))
    merged = MERGED.replace(":when: manual", ":when: never")
    static = [{**job, "when": "on_success", "allow_failure": False} for job in JOBS]
    with fake_gitlab({PATH: {**SAME, "jobs": static, "merged_yaml": merged}}) as fake:
        assert diff(fake, "--static") == 0
    assert "(3 jobs)" in capsys.readouterr().out
    assert fake.questions()[0]["dry_run"] is False
    assert "ref" not in fake.questions()[0]


@pytest.mark.usefixtures("repository")
def test_what_an_old_server_does_not_tell_is_not_compared(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with fake_gitlab({PATH: {"valid": True, "errors": [], "warnings": []}}) as fake:
        assert diff(fake) == 0
    assert "compared: nothing (the server is too old to tell)" in capsys.readouterr().out


def test_the_remote_names_server_and_project(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_gitlab({PATH: SAME}, token="t") as fake:  # noqa: S106 - a test's
        git(repository, "remote", "add", "origin", f"{fake.url}/group/app.git")
        monkeypatch.setenv("GITLAB_TOKEN", "t")
        assert main(["diff"]) == 3
        assert "private-token" not in fake.server.asked[0].headers
        error = capsys.readouterr().err
        assert "not found (status 404)" in error
        assert f"GITLAB_HOST={fake.host}" in error
        monkeypatch.setenv("GITLAB_HOST", fake.host)
        assert main(["diff"]) == 0


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("below", ["", "/gitlab", "/gitlab/", "/gitlab/api/v4"])
def test_a_server_may_be_below_a_path(monkeypatch: pytest.MonkeyPatch, below: str) -> None:
    path = PATH if not below else f"/gitlab/api/v4{PATH}"
    with fake_gitlab({path: SAME}, token="t") as fake:  # noqa: S106 - a test's
        monkeypatch.setenv("GITLAB_TOKEN", "t")
        status = main(["diff", "--server", f"{fake.url}{below}", "--project", "group/app"])
    assert status == 0


UNREACHABLE: dict[str, tuple[Any, str]] = {
    "no access": (Answer(403, b'{"message":"403 Forbidden"}'), "access is forbidden (status 403)"),
    "too many requests": (Answer(429), "too many requests (status 429)"),
    "a failure": (Answer(502, b"<html>"), "the server has failed (status 502)"),
    "no GitLab": (b"<html>", "this is not how GitLab answers"),
    "an unknown branch": (
        {"valid": False, "errors": ["Reference not found"], "warnings": []},
        "the server does not know main",
    ),
}


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(("answer", "words"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_without_an_answer_the_status_is_3(
    capsys: pytest.CaptureFixture[str], answer: Any, words: str
) -> None:
    with fake_gitlab({PATH: answer}) as fake:
        assert diff(fake) == 3
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


@pytest.mark.usefixtures("repository")
def test_a_server_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff"]) == 3
    assert "this repository has no remote on a server" in capsys.readouterr().err
    with fake_gitlab({}) as fake:
        pass
    assert diff(fake) == 3
    assert "nothing listens there" in capsys.readouterr().err


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    "args", [["--as", "schedule"], ["--as", "merge-request"], ["--changes-since", "main"]]
)
def test_only_what_the_server_simulates_is_compared(
    capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    with fake_gitlab({PATH: SAME}) as fake:
        assert diff(fake, *args) == 2
    assert fake.asked() == []
    assert "simulates the push of a new branch or tag" in capsys.readouterr().err


def test_a_detached_commit_has_no_push(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "checkout", "-q", "--detach")
    with fake_gitlab({PATH: SAME}) as fake:
        assert diff(fake) == 2
        assert "neither a branch nor a tag" in capsys.readouterr().err
        assert fake.asked() == []
        assert diff(fake, "--branch", "main") == 0


@pytest.mark.parametrize(("args", "status"), [([], 3), (["--strict"], 2)])
def test_what_is_the_same_but_for_an_include_that_was_not_read_is_no_proof(
    repository: Path, capsys: pytest.CaptureFixture[str], args: list[str], status: int
) -> None:
    (repository / ".gitlab-ci.yml").write_text(CI + "include: {template: Absent.gitlab-ci.yml}\n")
    with fake_gitlab({PATH: SAME}) as fake:
        assert diff(fake, *args) == status
    assert "Absent.gitlab-ci.yml was not read" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["list", "lint", "render"])
def test_no_other_command_asks_a_server(
    repository: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    git(repository, "remote", "add", "origin", "https://gitlab.invalid/group/app.git")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Fetcher, "_request", refuse)
    assert main([command]) == 0
