"""TLS of a listener: contexts, and what a client's certificate says."""

import ssl
from collections.abc import Mapping
from typing import Any

from homeport.mirror.model.config import TlsConfig


def server_context(config: TlsConfig) -> ssl.SSLContext:
    """TLS 1.2 or newer, HTTP/1.1 only. Raises ValueError, naming the file, where certificate, key
    or client CA cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    try:
        # a key with a passphrase must not make OpenSSL ask the terminal
        context.load_cert_chain(config.certificate, config.key, password=_no_passphrase)
    except (OSError, ValueError) as error:
        files = f"{config.certificate} and {config.key}"
        raise ValueError(f"cannot use the certificate and key {files}: {error}") from None
    if config.client_ca is not None:
        try:
            context.load_verify_locations(config.client_ca)
        except OSError as error:
            raise ValueError(f"cannot use the client CA {config.client_ca}: {error}") from None
        required = ssl.CERT_REQUIRED if config.client_required else ssl.CERT_OPTIONAL
        context.verify_mode = required
    elif config.client_required:
        raise ValueError("client_required needs client_ca")
    return context


def _no_passphrase() -> str:
    raise ValueError("the key is protected by a passphrase")


def subject_of(peer: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The subject of a verified client certificate, attributes by their long names (`commonName`);
    repeated ones are joined by a comma. `subjectAltName` and `serial` are beside them."""
    if not peer:
        return None
    subject: dict[str, Any] = {}
    for relative in peer.get("subject", ()):
        for name, text in relative:
            subject[name] = f"{subject[name]},{text}" if name in subject else text
    subject["subjectAltName"] = peer.get("subjectAltName", ())
    subject["serial"] = peer.get("serialNumber", "")
    return subject
