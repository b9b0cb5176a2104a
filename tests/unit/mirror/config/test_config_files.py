"""Certificates, keys, password files: there, readable, and what they are said to be."""

import datetime
from pathlib import Path

import bcrypt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from homeport.errors import UsageError
from homeport.mirror.config.load import load_config
from homeport.mirror.model.config import MirrorConfig

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def pem(key: PrivateKeyTypes, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mirror.corp")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(START)
    builder = builder.not_valid_after(START + datetime.timedelta(days=365))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "cert.pem").write_bytes(certificate(key))
    (tmp_path / "key.pem").write_bytes(pem(key))
    (tmp_path / "other.pem").write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    (tmp_path / "locked.pem").write_bytes(pem(key, BestAvailableEncryption(b"secret")))
    (tmp_path / "ed25519.pem").write_bytes(pem(ed25519.Ed25519PrivateKey.generate()))
    (tmp_path / "junk.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    )
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "password").write_text("x\n")
    (tmp_path / "config.json").write_text('{"auths": {}}')
    return tmp_path


def load(place: Path, text: str) -> MirrorConfig:
    path = place / "homeport.toml"
    path.write_text(f'[mirror]\ndata = "data"\n{text}')
    return load_config(path, {"HOME": "/home/ann", "PATH": str(place)})


def problems(place: Path, text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        load(place, text)
    return [str(problem).replace(f"{place}/", "") for problem in caught.value.problems]


def tls(cert: str, key: str, more: str = "") -> str:
    return (
        '[[mirror.listeners]]\naddress = "0.0.0.0:5000"\n'
        f'tls = {{ certificate = "{cert}", key = "{key}"{more} }}\n'
    )


def test_a_certificate_and_its_key_are_found_beside_the_file(place: Path) -> None:
    more = ', client_ca = "cert.pem", client_required = true'
    [listener] = load(place, tls("cert.pem", "key.pem", more)).listeners
    assert listener.tls is not None
    assert listener.tls.certificate == str(place / "cert.pem")
    assert listener.tls.key == str(place / "key.pem")
    assert listener.tls.client_required


@pytest.mark.parametrize(
    ("cert", "key", "message"),
    [
        ("cert.pem", "other.pem", "tls.key: other.pem is not the key of cert.pem"),
        ("cert.pem", "cert.pem", "tls.key: cert.pem has no private key in PEM form without pass"),
        ("cert.pem", "locked.pem", "tls.key: locked.pem has no private key in PEM form without pa"),
        ("junk.pem", "key.pem", "tls.certificate: junk.pem has no certificate in PEM form"),
        ("key.pem", "key.pem", "tls.certificate: key.pem has no certificate in PEM form"),
        ("none.pem", "key.pem", "tls.certificate: cannot read none.pem: No such file or directory"),
    ],
)
def test_a_certificate_that_will_not_do(place: Path, cert: str, key: str, message: str) -> None:
    [problem] = problems(place, tls(cert, key))
    assert problem.startswith("homeport.toml:5:")
    assert message in problem


def test_client_certificates_need_an_authority(place: Path) -> None:
    [problem] = problems(place, tls("cert.pem", "key.pem", ", client_required = true"))
    assert "client_ca is missing" in problem


def test_an_authority_of_an_upstream(place: Path) -> None:
    assert load(place, '[mirror.upstreams."docker.io"]\nca = "cert.pem"\n')
    [problem] = problems(place, '[mirror.upstreams."docker.io"]\nca = "password"\n')
    where = 'homeport.toml:4:1: mirror.upstreams."docker.io".ca: '
    assert problem == f"{where}password has no certificate in PEM form"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('username = "u", password_file = "empty"', "password_file: empty is empty"),
        ('username = "u", password_file = "."', "password_file: cannot read "),
        ('docker_config = "password"', "docker_config: password is no JSON object"),
        ('helper = "none"', "helper: there is no program docker-credential-none in PATH"),
    ],
)
def test_credentials_that_are_not_there(place: Path, text: str, message: str) -> None:
    [problem] = problems(place, f'[mirror.upstreams."docker.io"]\ncredentials = {{ {text} }}\n')
    assert message in problem


def test_credentials_that_are(place: Path) -> None:
    helper = place / "docker-credential-store"
    helper.write_text("#!/bin/sh\n")
    helper.chmod(0o755)
    for text in (
        'username = "u", password_file = "password"',
        'docker_config = "config.json"',
        'helper = "store"',
    ):
        load(place, f'[mirror.upstreams."docker.io"]\ncredentials = {{ {text} }}\n')


def test_a_device_does_not_hang_us(place: Path) -> None:
    [problem] = problems(place, tls("cert.pem", "/dev/zero"))
    assert "not a regular file" in problem


def test_every_line_of_htpasswd_is_checked(place: Path) -> None:
    good = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()
    auth = '[[mirror.listeners]]\naddress = "a:1"\nrole = "registry"\n'
    auth += '[mirror.auth]\nhtpasswd = "users"\n'
    (place / "users").write_text(f"# people\nann:{good}\n\nbob:{good.replace('$2b$', '$2y$')}\n")
    assert load(place, auth).auth.htpasswd == str(place / "users")
    (place / "users").write_text(f"ann:{{SHA}}secret\nbob\n:{good}\nb b:{good}\n")
    found = problems(place, auth)
    assert [place.partition(": ")[0] for place in found] == ["users:1:1", "users:2:1", "users:3:1"]
    assert "secret" not in "".join(found)


def test_the_audits_key_lies_outside_of_data(place: Path) -> None:
    assert load(place, '[mirror.audit]\nkey = "ed25519.pem"\n').audit.key
    (place / "data").mkdir()
    (place / "data" / "k.pem").write_bytes((place / "ed25519.pem").read_bytes())
    (place / "link.pem").symlink_to(place / "data" / "k.pem")
    for inside in ("data/k.pem", "data/../data/k.pem", "link.pem"):
        [problem] = problems(place, f'[mirror.audit]\nkey = "{inside}"\n')
        assert "the key lies inside mirror.data" in problem
    [problem] = problems(place, '[mirror.audit]\nkey = "key.pem"\n')
    assert "has no Ed25519 private key" in problem
