"""`--remote-variables`: the server's variables in a command, from the flag or the settings."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.cli.main import main
from testbed.gitlab import FakeGitLab, fake_gitlab

CI = """\
build:
  script: [make]
  rules:
    - if: $DEPLOY == "yes-from-server" && $PASS
other:
  script: [make]
"""
ANSWERS = {
    "/projects/me/app": {"namespace": {"kind": "user", "full_path": "me"}},
    "/projects/me/app/variables": [
        {"key": "DEPLOY", "value": "yes-from-server"},
        {"key": "PASS", "value": "hunter2-hunter2", "masked": True},
    ],
}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitLab]:
    """A fake server, and a repository in the current folder whose remote is there."""
    with fake_gitlab(ANSWERS, token="t") as server:  # noqa: S106 - a test's
        for name, value in {
            "HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path / ".config"),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "NO_PROXY": "*",
            "GITLAB_TOKEN": "t",
            "GITLAB_HOST": server.host,
        }.items():
            monkeypatch.setenv(name, value)
        folder = tmp_path / "app"
        folder.mkdir()
        (folder / ".gitlab-ci.yml").write_text(CI)
        for args in (
            ("init", "-q", "-b", "main"),
            ("remote", "add", "origin", f"{server.url}/me/app.git"),
            ("add", "."),
            ("-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "start"),
        ):
            subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True)
        monkeypatch.chdir(folder)
        yield server


def names(capsys: pytest.CaptureFixture[str], *args: str) -> list[str]:
    assert main(["list", "--json", *args]) == 0
    return [job["name"] for job in json.loads(capsys.readouterr().out)["jobs"]]


def test_the_flag_adds_them(fake: FakeGitLab, capsys: pytest.CaptureFixture[str]) -> None:
    assert names(capsys) == ["other"]
    assert fake.asked() == []
    assert names(capsys, "--remote-variables") == ["build", "other"]
    assert names(capsys, "--remote-variables", "--variable", "DEPLOY=no") == ["other"]


def test_the_users_settings_ask_for_them(
    fake: FakeGitLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / ".config" / "homeport" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('variables_from = "gitlab"\n')
    assert names(capsys) == ["build", "other"]
    assert fake.asked() != []


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("command", [["explain", "build"], ["explain", "build", "--json"]])
def test_a_masked_value_is_never_shown(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--remote-variables"]) == 0
    captured = capsys.readouterr()
    assert "yes-from-server" in captured.out
    assert "hunter2" not in captured.out + captured.err
    assert "[MASKED]" in captured.out


def test_without_an_answer_the_status_is_3(
    fake: FakeGitLab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITLAB_TOKEN", "wrong")
    assert main(["list", "--remote-variables"]) == 3
    error = capsys.readouterr().err
    assert f"the variables of me/app on {fake.host}: the credential is not accepted" in error
