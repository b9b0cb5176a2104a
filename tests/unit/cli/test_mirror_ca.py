"""`homeport mirror ca`: what is made, and what is refused."""

import ssl
from pathlib import Path

import pytest

from homeport.cli.main import main


def ca(*arguments: str) -> int:
    return main(["mirror", "ca", *arguments])


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    assert ca("init", str(tmp_path / "ca"), "--name", "Test CA") == 0
    return tmp_path / "ca"


def files(folder: Path) -> list[str]:
    target = folder.parent
    return [
        *("--ca", str(folder)),
        *("--certificate", str(target / "tls.crt")),
        *("--key", str(target / "tls.key")),
    ]


def test_a_certificate_is_issued_and_renewed(
    authority: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ca("issue", "registry.internal", "10.0.0.5", *files(authority)) == 0
    assert "is valid until" in capsys.readouterr().out
    key = authority.parent / "tls.key"
    assert key.stat().st_mode & 0o777 == 0o600
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.parent / "tls.crt", key)
    before = (key.read_bytes(), (authority.parent / "tls.crt").read_bytes())
    assert ca("renew", *files(authority), "--days", "30") == 0
    assert key.read_bytes() == before[0]
    assert (authority.parent / "tls.crt").read_bytes() != before[1]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["init", "{ca}"], 2, "is there already"),
        (["issue", "not a host", "{files}"], 2, "neither a DNS name nor an IP address"),
        (["issue", "a.b", "--ca", "{ca}"], 2, "--certificate is missing"),
        (["issue", "a.b", "{files}", "--days", "0"], 2, "--days 0"),
        (["renew", "{files}"], 3, "No such file"),
    ],
)
def test_what_cannot_be_is_said(
    authority: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    said: str,
) -> None:
    given: list[str] = []
    for text in arguments:
        given += files(authority) if text == "{files}" else [text.replace("{ca}", str(authority))]
    assert ca(*given) == status
    assert said in capsys.readouterr().err


def test_another_authority_does_not_renew(
    authority: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ca("issue", "a.b", *files(authority)) == 0
    assert ca("init", str(tmp_path / "other")) == 0
    given = files(authority)
    given[1] = str(tmp_path / "other")
    assert ca("renew", *given) == 2
    assert "did not sign" in capsys.readouterr().err
