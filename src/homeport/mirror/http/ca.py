"""An own certificate authority, for networks that have none: create it, issue, renew.

Keys are EC P-256, unencrypted, mode 0600; nothing that exists is overwritten but by `renew`.
"""

import datetime
import os
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from homeport.lib.atomic import write_atomic

CA_DAYS = 3650
SERVER_DAYS = 397
"""The longest that clients accept of a server (CA/Browser Forum, ballot SC31)."""
_SKEW = datetime.timedelta(hours=1)
_PRIVATE, _PUBLIC = 0o600, 0o644
_Public = ec.EllipticCurvePublicKey


class Pair(Struct, frozen=True):
    """Paths of a certificate (PEM; a server's with the CA's behind it) and its key."""

    certificate: Path
    key: Path


def authority(folder: Path) -> Pair:
    """Where a folder has its CA."""
    return Pair(folder / "ca.pem", folder / "ca.key")


def init(folder: Path, *, name: str, now: datetime.datetime, days: int = CA_DAYS) -> Pair:
    """Create a CA. Raises FileExistsError where there is one, and OSError."""
    pair = authority(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    usage = _usage(key_cert_sign=True, crl_sign=True)
    certificate = (
        _builder(subject, subject, key.public_key(), now, now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _create(pair.key, _pem_of(key), _PRIVATE)
    write_atomic(pair.certificate, _text_of(certificate), mode=_PUBLIC, durable=True)
    return pair


def issue(
    folder: Path,
    target: Pair,
    *,
    hosts: Iterable[str],
    now: datetime.datetime,
    days: int = SERVER_DAYS,
    client: bool = False,
) -> x509.Certificate:
    """A key and certificate by the folder's CA. `hosts` are DNS names (`*.corp` too) and IP
    addresses; with `client` it is for a client whose name is the first of them.

    Raises FileExistsError where the target's key is there, ValueError for a host that is none or a
    CA that has ended, OSError.
    """
    for path in (target.certificate, target.key):
        path.parent.mkdir(parents=True, exist_ok=True)
    names = _names(hosts, client=client)
    signer = _load_authority(folder, now)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _sign(names, key.public_key(), signer, (now, days), client=client)
    _create(target.key, _pem_of(key), _PRIVATE)
    content = _text_of(certificate) + _text_of(signer[0])
    write_atomic(target.certificate, content, mode=_PUBLIC, durable=True)
    return certificate


def renew(
    folder: Path, target: Pair, *, now: datetime.datetime, days: int = SERVER_DAYS
) -> x509.Certificate:
    """A new certificate for the same key and names; the key's file stays. Raises ValueError where
    certificate and key are no pair, or the CA did not sign them."""
    signer = _load_authority(folder, now)
    old = x509.load_pem_x509_certificate(target.certificate.read_bytes())
    key = _load_key(target.key)
    if old.public_key() != key.public_key():
        raise ValueError(f"{target.key} is not the key of {target.certificate}")
    try:
        old.verify_directly_issued_by(signer[0])
    except (InvalidSignature, ValueError):
        raise ValueError(f"the CA in {folder} did not sign {target.certificate}") from None
    names = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    purposes = old.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    client = ExtendedKeyUsageOID.CLIENT_AUTH in purposes
    certificate = _sign(list(names), key.public_key(), signer, (now, days), client=client)
    content = _text_of(certificate) + _text_of(signer[0])
    write_atomic(target.certificate, content, mode=_PUBLIC, durable=True)
    return certificate


def ends(certificate: Path) -> datetime.datetime:
    """When the first certificate of a file ends (UTC). Raises ValueError, OSError."""
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc


def _names(hosts: Iterable[str], *, client: bool) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in hosts:
        text = host.strip().strip("[]")
        try:
            names.append(x509.IPAddress(ip_address(text)))
        except ValueError:
            if not client and not _is_dns(text):
                raise ValueError(f"{host!r} is neither a DNS name nor an IP address") from None
            names.append(x509.DNSName(text if client else text.lower()))
    if not names:
        raise ValueError("a certificate needs a name")
    return names


def _is_dns(text: str) -> bool:
    labels = text.removeprefix("*.").split(".")
    return len(text) <= 253 and all(
        0 < len(label) <= 63
        and label.isascii()
        and label.replace("-", "").replace("_", "").isalnum()
        and not label.startswith("-")
        and not label.endswith("-")
        for label in labels
    )


def _sign(
    names: list[x509.GeneralName],
    public: _Public,
    signer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
    days: tuple[datetime.datetime, int],
    *,
    client: bool,
) -> x509.Certificate:
    ca, key = signer
    now, number = days
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(names[0].value)[:64])])
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    known = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    last = min(now + datetime.timedelta(days=number), ca.not_valid_after_utc)
    return (
        _builder(subject, ca.subject, public, now, last)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known), critical=False
        )
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: _Public,
    now: datetime.datetime,
    last: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(last)
    )


def _usage(
    *, key_cert_sign: bool = False, crl_sign: bool = False, digital_signature: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _load_authority(
    folder: Path, now: datetime.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    pair = authority(folder)
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    if certificate.not_valid_after_utc <= now:
        raise ValueError(f"the CA {pair.certificate} has ended")
    key = _load_key(pair.key)
    if certificate.public_key() != key.public_key():
        raise ValueError(f"{pair.key} is not the key of {pair.certificate}")
    return certificate, key


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} is no EC key")
    return key


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _text_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _create(path: Path, content: bytes, mode: int) -> None:
    """A file that was not there, whole and durable, or FileExistsError."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(file, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
