"""Client certificates, after TLS has verified them against the listener's `client_ca`."""

from collections.abc import Mapping
from typing import Any

from homeport.mirror.auth.identity import Identity, name_fault
from homeport.mirror.model.principal import Proof

_NAMES = ("URI", "email", "DNS")


def identify_certificate(certificate: Mapping[str, Any]) -> Identity | str:
    """`certificate` is what `ssl.SSLSocket.getpeercert` gives. The name is the subject's common
    name, else the first alternative name (URI, email, DNS); the groups are its organisational
    units. A string says why it names nobody."""
    subject = [
        (str(key), str(value)) for names in certificate.get("subject", ()) for key, value in names
    ]
    name = next((value for key, value in subject if key == "commonName"), "")
    if not name:
        others = [(str(kind), str(value)) for kind, value in certificate.get("subjectAltName", ())]
        name = next((value for kind in _NAMES for key, value in others if key == kind), "")
    fault = name_fault(name)
    if fault is not None:
        return f"the client certificate: {fault}"
    groups = dict.fromkeys(value for key, value in subject if key == "organizationalUnitName")
    return Identity(name=name, proof=Proof.CERTIFICATE, groups=tuple(groups))
