"""The mirror of `run --mirror` in the settings: its address, and the certificates that are read."""

from pathlib import Path

import pytest

from homeport.errors import UsageError
from homeport.settings.load import load_settings

PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
URL = "https://m.corp:5443"


def test_the_certificates_are_read(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(PEM)
    env = {"HOMEPORT_MIRROR_URL": URL, "HOMEPORT_MIRROR_CA": str(path)}
    settings = load_settings(tmp_path, env)
    assert (settings.mirror_url, settings.mirror_certificates) == (URL, PEM)
    flag = load_settings(tmp_path, env, {"mirror_url": "http://other"})
    assert flag.mirror_url == "http://other"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no", "no certificate in PEM"),
        (b"\xff", "it is no text"),
        (f"{PEM}-----BEGIN PRIVATE KEY-----\nx\n".encode(), "private key"),
        (PEM.encode() + b"#" * 1024 * 1024, "larger than 1 MiB"),
        (None, "No such file"),
    ],
)
def test_what_is_no_authority_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=said) as error:
        load_settings(tmp_path, {"HOMEPORT_MIRROR_CA": str(path)})
    assert "BEGIN" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["m.corp", "https://m.corp/path", "https://u:secret@m.corp", "https://m\n", ""]
)
def test_what_is_no_mirror_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="mirror_url") as error:
        load_settings(tmp_path, {"HOMEPORT_MIRROR_URL": url})
    assert "secret" not in str(error.value)


def test_a_repository_cannot_set_it(tmp_path: Path) -> None:
    (tmp_path / "homeport.toml").write_text(f'mirror_url = "{URL}"\n')
    with pytest.raises(UsageError, match="cannot set mirror_url"):
        load_settings(tmp_path, {})


def test_other_registries_of_the_mirror(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "HOMEPORT_MIRROR_URL": URL}
    named = load_settings(tmp_path, env, {"mirror_registries": ["ghcr.io", "r.corp:5000"]})
    assert named.mirror_registries == ("ghcr.io", "r.corp:5000")
    for wrong in ("https://ghcr.io", "ghcr.io/x", 'a"b', "*"):
        with pytest.raises(UsageError, match="mirror_registries"):
            load_settings(tmp_path, env, {"mirror_registries": [wrong]})
    with pytest.raises(UsageError, match="no mirror_url"):
        load_settings(tmp_path, {"HOME": str(tmp_path)}, {"mirror_registries": ["ghcr.io"]})
