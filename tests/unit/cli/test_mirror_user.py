"""`homeport mirror user`: what becomes of the file, and of the password."""

import getpass
import io
import os
import stat
import sys
from pathlib import Path

import bcrypt
import pytest

from homeport.cli import mirror_user
from homeport.cli.main import main


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mirror_user, "COST", 4)
    return tmp_path / "users"


def typed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def add(monkeypatch: pytest.MonkeyPatch, users: Path, name: str, password: bytes) -> int:
    typed(monkeypatch, password + b"\nmore\n")
    return main(["mirror", "user", "add", name, "--file", str(users)])


def test_a_user_is_added_and_verified(
    users: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(monkeypatch, users, "ann", b"secret one") == 0
    name, _, hashed = users.read_text().rstrip("\n").partition(":")
    assert name == "ann"
    assert bcrypt.checkpw(b"secret one", hashed.encode())
    assert stat.S_IMODE(users.stat().st_mode) == 0o600
    assert "secret" not in capsys.readouterr().out
    for password, status in ((b"secret one", 0), (b"secret", 1)):
        typed(monkeypatch, password)
        assert main(["mirror", "user", "verify", "ann", "--file", str(users)]) == status


def test_the_rest_of_the_file_stays(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users.write_text("# people\nbob:old\n\nann:old\nann:older\nanna:old\n")
    users.chmod(0o640)
    assert add(monkeypatch, users, "ann", b"new") == 0
    lines = users.read_text().splitlines()
    assert lines[:-1] == ["# people", "bob:old", "", "anna:old"]
    assert lines[-1].startswith("ann:$2b$04$")
    assert stat.S_IMODE(users.stat().st_mode) == 0o640
    assert main(["mirror", "user", "remove", "bob", "--file", str(users)]) == 0
    assert users.read_text().splitlines()[:3] == ["# people", "", "anna:old"]
    assert os.listdir(users.parent) == ["users"]  # noqa: PTH208


def test_a_link_stays_a_link(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = users.with_name("link")
    link.symlink_to(users)
    assert add(monkeypatch, link, "ann", b"x") == 0
    assert link.is_symlink()
    assert users.read_text().startswith("ann:")


def test_users_are_listed(users: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users.write_text("# people\nbob:x\n\nann:\x1b[31m\ne\x1bvil:x\n")
    assert main(["mirror", "user", "list", "--file", str(users)]) == 0
    assert capsys.readouterr().out == "bob\nann\ne\\x1bvil\n"


@pytest.mark.parametrize("name", ["", "a:b", " a", "#a", "a\nb", "anonymous", "x" * 256])
def test_a_name_that_will_not_do(users: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert add(monkeypatch, users, name, b"x") == 2
    assert not users.exists()


@pytest.mark.parametrize("password", [b"", b"x" * 73, b"a\0b", ("ä" * 37).encode()])
def test_a_password_that_will_not_do(
    users: Path, monkeypatch: pytest.MonkeyPatch, password: bytes
) -> None:
    assert add(monkeypatch, users, "ann", password) == 2
    assert not users.exists()


def test_a_person_types_it_twice(
    users: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(("one", "two", "one", "one"))
    typed(monkeypatch, b"")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda _: next(answers))
    assert main(["mirror", "user", "add", "ann", "--file", str(users)]) == 2
    assert "differ" in capsys.readouterr().err
    assert main(["mirror", "user", "add", "ann", "--file", str(users)]) == 0


def test_what_is_not_there(
    users: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    users.write_text("bob:{SHA}x\n")
    for command in ("remove", "verify"):
        assert main(["mirror", "user", command, "ann", "--file", str(users)]) == 2
        assert "has no user ann" in capsys.readouterr().err
    assert add(monkeypatch, Path("/nonexistent/f"), "ann", b"x") == 3
    assert "cannot open /nonexistent" in capsys.readouterr().err


def test_another_kind_of_hash_is_told(
    users: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    users.write_text("bob:{SHA}x\n")
    typed(monkeypatch, b"x\n")
    assert main(["mirror", "user", "verify", "bob", "--file", str(users)]) == 2
    assert "not hashed by bcrypt" in capsys.readouterr().err


def test_the_file_is_the_configured_one_even_before_it_exists(
    users: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = users.with_name("homeport.toml")
    config.write_text(
        '[[mirror.listeners]]\nrole = "registry"\naddress = "a:1"\n'
        '[mirror.auth]\nhtpasswd = "users"\n'
    )
    typed(monkeypatch, b"x\n")
    assert main(["mirror", "user", "add", "ann", "--config", str(config)]) == 0
    assert users.read_text().startswith("ann:")
    config.write_text("[mirror]\n")
    assert main(["mirror", "user", "list", "--config", str(config)]) == 2
    assert "names no htpasswd file" in capsys.readouterr().err
