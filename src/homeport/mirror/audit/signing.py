"""Ed25519 signatures of heads; the private key lies outside the data that they vouch for."""

import os
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from homeport.errors import UsageError
from homeport.lib.atomic import write_atomic
from homeport.mirror.audit.chain import Head, signed_bytes


class Signer:
    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def sign(self, head: Head) -> Head:
        return msgspec.structs.replace(head, signature=self._key.sign(signed_bytes(head)))

    def public_pem(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def create_key(path: Path) -> Signer:
    """A new key at `path` (mode 0600) and its public half beside it (`.pub`). Raises UsageError
    where there is a file already."""
    if path.exists():
        raise UsageError.of(f"{path} is there already; a new key would orphan what it signed")
    key = Ed25519PrivateKey.generate()
    write_atomic(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    signer = Signer(key)
    write_atomic(path.with_name(f"{path.name}.pub"), signer.public_pem(), mode=0o644)
    return signer


def load_signer(path: Path) -> Signer:
    """Raises UsageError for anything but a private Ed25519 key that only its owner can read."""
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError.of(f"{path} can be read by others", hint=f"chmod 600 {path}")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        words = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no key"
        raise UsageError.of(f"the audit key {path} cannot be used: {words}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError.of(f"the audit key {path} is not an Ed25519 key")
    return Signer(key)


class Verifier:
    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    def accepts(self, head: Head) -> bool:
        try:
            self._key.verify(head.signature, signed_bytes(head))
        except InvalidSignature:
            return False
        return True


def load_verifier(path: Path) -> Verifier:
    """From a public key, or from the private one. Raises UsageError."""
    try:
        content = path.read_bytes()
        if b"PRIVATE KEY" in content:
            key = load_pem_private_key(content, password=None).public_key()
        else:
            key = load_pem_public_key(content)
    except (OSError, ValueError, TypeError):
        raise UsageError.of(f"{path} cannot be used as an audit key") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError.of(f"{path} is not an Ed25519 key")
    return Verifier(key)
