"""`homeport mirror robot`: what becomes of the account, and where its secret is."""

import json
import time
from pathlib import Path

import pytest

from homeport.cli.main import main
from homeport.mirror.auth.robots import list_robots, read_robots, verify_robot


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def robot(data: Path, *arguments: str) -> int:
    return main(["mirror", "robot", *arguments, "--data", str(data)])


def test_a_robot_is_added_with_a_secret_that_proves_it(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert robot(data, "add", "ci", "--expires", "2h", "--group", "a", "--group", "b") == 0
    secret = capsys.readouterr().out.strip()
    now = time.time()
    found = verify_robot(read_robots(data / "robots"), "robot$ci", secret, now=now)
    assert found is not None
    assert found.groups == ("a", "b")
    assert found.until == pytest.approx(now + 7200, abs=60)
    assert robot(data, "list") == 0
    listed = capsys.readouterr().out
    assert "robot$ci" in listed
    assert secret not in listed
    assert robot(data, "list", "--json") == 0
    [entry] = json.loads(capsys.readouterr().out)
    assert (entry["name"], entry["groups"]) == ("robot$ci", ["a", "b"])
    assert "secret" not in entry
    assert robot(data, "remove", "robot$ci") == 0
    assert list_robots(data) == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "../ci", "--expires", "1d"], "no robot's name"),
        (["add", "ci", "--expires", "soon"], "--expires soon"),
        (["add", "ci", "--expires", "0s"], "over before it begins"),
        (["add", "ci"], "--expires"),
        (["remove", "ci"], "there is no robot ci"),
    ],
)
def test_what_cannot_be_is_said(
    data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    try:
        status = robot(data, *arguments)
    except SystemExit as left:
        status = int(left.code or 0)
    assert status == 2
    assert said in capsys.readouterr().err
    assert list_robots(data) == ()


def test_a_second_robot_of_the_name_is_refused_and_never_is_an_end(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert robot(data, "add", "ci", "--expires", "never") == 0
    assert robot(data, "add", "ci", "--expires", "1d") == 2
    assert "already" in capsys.readouterr().err
    [found] = list_robots(data)
    assert found.expires is None


def test_no_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert robot(tmp_path / "file", "add", "ci", "--expires", "1d") == 3
    assert "cannot use" in capsys.readouterr().err
