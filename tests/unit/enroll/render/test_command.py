"""`homeport enroll render`, as a command."""

from pathlib import Path

import pytest
import yaml

from homeport.cli.enroll_render import TARGETS
from homeport.cli.main import main
from homeport.enroll.render import targets

URL = "https://mirror.corp:5443"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def run(*words: str) -> int:
    return main(["enroll", "render", *words])


def test_the_names_are_those_of_the_table() -> None:
    assert tuple(targets.TARGETS) == TARGETS


def test_one_text_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--target", "k3s", "--mirror", URL, "--registries", "docker.io,ghcr.io") == 0
    assert list(yaml.safe_load(capsys.readouterr().out)["mirrors"]) == ["docker.io", "ghcr.io"]


def test_several_files_are_written_once_and_never_over_others(tmp_path: Path) -> None:
    words = ("--target", "kind", "--mirror", URL, "--output", str(tmp_path / "out"))
    assert run(*words) == 0
    assert run(*words) == 0
    place = tmp_path / "out/certs.d/docker.io/hosts.toml"
    place.write_text("mine")
    assert run(*words) == 2
    assert place.read_text() == "mine"


@pytest.mark.parametrize("target", ["kind", "ansible"])
def test_several_files_need_a_folder(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--target", target, "--mirror", URL) == 2
    assert "--output" in capsys.readouterr().err


def test_a_hostile_mirror_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--target", "shell", "--mirror", "https://m'; id") == 2
    assert capsys.readouterr().out == ""


def test_timers_name_no_mirror(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--target", "systemd") == 0
    assert "homeport-enroll-watch.timer" in capsys.readouterr().out
