"""The files that the configuration names: there, readable, and what they are said to be."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from homeport.errors import UsageError
from homeport.mirror.auth.htpasswd import read_htpasswd
from homeport.mirror.config.reading import Reading
from homeport.mirror.model.config import CredentialsConfig, MirrorConfig, TlsConfig
from homeport.settings.source import KeyPath

MAX_FILE = 4 * 1024**2
_ISSUE = "homeport mirror ca issue makes certificates for networks without a CA"


def check_files(config: MirrorConfig, reading: Reading, env: Mapping[str, str]) -> None:
    """Adds every fault to the reading; no message shows what a file holds."""
    for listener in config.listeners:
        if listener.tls is not None:
            _tls(listener.tls, reading, reading.path_of(listener.tls))
    for path, ca in _authorities(config, reading):
        _certificates(ca, reading, path)
    for name, upstream in config.upstreams.items():
        if upstream.credentials is not None:
            path = ("mirror", "upstreams", name, "credentials")
            _credentials(upstream.credentials, reading, path, env)
    if config.auth.htpasswd is not None:
        _htpasswd(config.auth.htpasswd, reading, ("mirror", "auth", "htpasswd"))
    if config.auth.ldap is not None and config.auth.ldap.bind_password_file is not None:
        _content(
            config.auth.ldap.bind_password_file,
            reading,
            ("mirror", "auth", "ldap", "bind_password_file"),
        )
    if config.audit.key is not None:
        _audit_key(config.audit.key, config.data, reading)


def _authorities(config: MirrorConfig, reading: Reading) -> Iterator[tuple[KeyPath, str]]:
    for name, upstream in config.upstreams.items():
        if upstream.ca is not None:
            yield ("mirror", "upstreams", name, "ca"), upstream.ca
    for issuer in config.auth.issuers:
        if issuer.ca is not None:
            yield (*reading.path_of(issuer), "ca"), issuer.ca
    if config.auth.ldap is not None and config.auth.ldap.ca is not None:
        yield ("mirror", "auth", "ldap", "ca"), config.auth.ldap.ca


def _content(file: str, reading: Reading, path: KeyPath, hint: str | None = None) -> bytes | None:
    """The file's bytes, None with a fault. A pipe or a device would hang us."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        reading.fault(path, f"cannot read {file}: {error.strerror}", hint)
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        reading.fault(path, f"cannot read {file}: it is not a regular file")
        return None
    with os.fdopen(descriptor, "rb") as opened:
        content = opened.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        reading.fault(path, f"{file} is larger than 4 MiB")
        return None
    return content


def _certificates(
    file: str, reading: Reading, path: KeyPath, hint: str | None = None
) -> bytes | None:
    """The public key of the first certificate (DER), None with a fault."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    content = _content(file, reading, path, hint)
    if content is None:
        return None
    try:
        first = x509.load_pem_x509_certificates(content)[0]
        return first.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception:  # noqa: BLE001 - a broken file brings out many kinds, UnsupportedAlgorithm too
        reading.fault(path, f"{file} has no certificate in PEM form")
        return None


def _tls(tls: TlsConfig, reading: Reading, path: KeyPath) -> None:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    public = _certificates(tls.certificate, reading, (*path, "certificate"), _ISSUE)
    if tls.client_ca is not None:
        _certificates(tls.client_ca, reading, (*path, "client_ca"))
    content = _content(tls.key, reading, (*path, "key"), _ISSUE)
    if content is None:
        return
    try:
        key = load_pem_private_key(content, password=None)
        own = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception:  # noqa: BLE001 - as above; its words might hold parts of the key
        reading.fault((*path, "key"), f"{tls.key} has no private key in PEM form without password")
        return
    if public is not None and own != public:
        reading.fault((*path, "key"), f"{tls.key} is not the key of {tls.certificate}")


def _credentials(
    given: CredentialsConfig, reading: Reading, path: KeyPath, env: Mapping[str, str]
) -> None:
    if given.password_file is not None:
        content = _content(given.password_file, reading, (*path, "password_file"))
        if content is not None and not content.strip():
            reading.fault((*path, "password_file"), f"{given.password_file} is empty")
    if given.password_env is not None and not env.get(given.password_env):
        reading.fault((*path, "password_env"), f"the variable {given.password_env} is not set")
    if given.docker_config is not None:
        content = _content(given.docker_config, reading, (*path, "docker_config"))
        if content is not None and not _is_object(content):
            reading.fault((*path, "docker_config"), f"{given.docker_config} is no JSON object")
    if given.helper is not None:
        import shutil

        program = f"docker-credential-{given.helper}"
        if shutil.which(program, path=env.get("PATH", os.defpath)) is None:
            reading.fault((*path, "helper"), f"there is no program {program} in PATH")


def _is_object(content: bytes) -> bool:
    import msgspec

    try:
        return isinstance(msgspec.json.decode(content), dict)
    except (msgspec.DecodeError, RecursionError):
        return False


def _htpasswd(file: str, reading: Reading, path: KeyPath) -> None:
    hint = "homeport mirror user add NAME makes it"
    if _content(file, reading, path, hint) is None:
        return
    try:
        read_htpasswd(Path(file))
    except UsageError as error:
        reading.problems += error.problems


def _audit_key(file: str, data: str, reading: Reading) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path: KeyPath = ("mirror", "audit", "key")
    if Path(file).resolve().is_relative_to(Path(data).resolve()):
        reading.fault(
            path,
            "the key lies inside mirror.data",
            "who can rewrite the audit must not be able to sign it: keep the key elsewhere",
        )
    content = _content(
        file, reading, path, f"make one: openssl genpkey -algorithm ed25519 -out {file}"
    )
    if content is None:
        return
    try:
        key = load_pem_private_key(content, password=None)
    except Exception:  # noqa: BLE001 - a broken file brings out many kinds
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        reading.fault(path, f"{file} has no Ed25519 private key in PEM form without password")
