import datetime
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from homeport.mirror.http import ca
from homeport.mirror.http.tls import server_context, subject_of
from homeport.mirror.model.config import TlsConfig

NOW = datetime.datetime.now(datetime.UTC)


def _issued(folder: Path) -> ca.Pair:
    ca.init(folder / "ca", name="Corp mirror CA", now=NOW)
    pair = ca.Pair(folder / "server.pem", folder / "server.key")
    ca.issue(folder / "ca", pair, hosts=["Registry.corp", "*.mirror.corp", "10.0.0.1"], now=NOW)
    return pair


def test_keys_are_private_and_names_are_there(tmp_path: Path) -> None:
    pair = _issued(tmp_path)
    for key in (pair.key, ca.authority(tmp_path / "ca").key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["registry.corp", "*.mirror.corp"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    assert certificate.not_valid_after_utc <= NOW + datetime.timedelta(days=398)
    server_context(TlsConfig(certificate=str(pair.certificate), key=str(pair.key)))


def test_a_ca_is_never_made_twice(tmp_path: Path) -> None:
    pair = ca.init(tmp_path, name="one", now=NOW)
    before = pair.key.read_bytes(), pair.certificate.read_bytes()
    with pytest.raises(FileExistsError):
        ca.init(tmp_path, name="two", now=NOW)
    assert (pair.key.read_bytes(), pair.certificate.read_bytes()) == before


def test_renewing_keeps_key_and_names(tmp_path: Path) -> None:
    pair = _issued(tmp_path)
    key, old = pair.key.read_bytes(), x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    later = NOW + datetime.timedelta(days=300)
    new = ca.renew(tmp_path / "ca", pair, now=later)
    assert pair.key.read_bytes() == key
    assert ca.ends(pair.certificate) == new.not_valid_after_utc > old.not_valid_after_utc
    san = x509.SubjectAlternativeName
    names = [c.extensions.get_extension_for_class(san).value for c in (old, new)]
    assert names[0] == names[1]
    assert new.serial_number != old.serial_number


def test_a_certificate_does_not_outlive_its_ca(tmp_path: Path) -> None:
    ca.init(tmp_path, name="short", now=NOW, days=10)
    pair = ca.Pair(tmp_path / "s.pem", tmp_path / "s.key")
    assert ca.issue(tmp_path, pair, hosts=["a"], now=NOW).not_valid_after_utc == ca.ends(
        ca.authority(tmp_path).certificate
    )
    with pytest.raises(ValueError, match="has ended"):
        ca.renew(tmp_path, pair, now=NOW + datetime.timedelta(days=11))


@pytest.mark.parametrize("hosts", [[], ["a b"], ["-a"], ["a..b"], ["a" * 64], ["http://a"]])
def test_hosts_that_are_none(tmp_path: Path, hosts: list[str]) -> None:
    ca.init(tmp_path, name="x", now=NOW)
    pair = ca.Pair(tmp_path / "s.pem", tmp_path / "s.key")
    with pytest.raises(ValueError, match=r"."):
        ca.issue(tmp_path, pair, hosts=hosts, now=NOW)
    assert not pair.key.exists()
    assert not pair.certificate.exists()


def test_another_cas_certificate_is_not_renewed(tmp_path: Path) -> None:
    pair = _issued(tmp_path)
    ca.init(tmp_path / "other", name="other", now=NOW)
    before = pair.certificate.read_bytes()
    with pytest.raises(ValueError, match=r"."):
        ca.renew(tmp_path / "other", pair, now=NOW)
    assert pair.certificate.read_bytes() == before


def test_tls_settings_that_cannot_work(tmp_path: Path) -> None:
    pair = _issued(tmp_path)
    certificate, key = str(pair.certificate), str(pair.key)
    with pytest.raises(ValueError, match="absent"):
        server_context(TlsConfig(certificate=certificate, key=str(tmp_path / "absent")))
    with pytest.raises(ValueError, match="client CA"):
        server_context(TlsConfig(certificate=certificate, key=key, client_ca="/absent"))
    with pytest.raises(ValueError, match="client_required"):
        server_context(TlsConfig(certificate=certificate, key=key, client_required=True))
    other = ca.authority(tmp_path / "ca").key
    with pytest.raises(ValueError, match="cannot use"):
        server_context(TlsConfig(certificate=certificate, key=str(other)))


def test_old_tls_is_not_spoken(tmp_path: Path) -> None:
    pair = _issued(tmp_path)
    context = server_context(TlsConfig(certificate=str(pair.certificate), key=str(pair.key)))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_the_subject_of_a_certificate() -> None:
    peer = {
        "subject": (
            (("commonName", "ci"),),
            (("organizationalUnitName", "a"),),
            (("organizationalUnitName", "b"),),
        ),
        "subjectAltName": (("DNS", "ci.corp"),),
        "serialNumber": "01",
    }
    assert subject_of(peer) == {
        "commonName": "ci",
        "organizationalUnitName": "a,b",
        "subjectAltName": (("DNS", "ci.corp"),),
        "serial": "01",
    }
    assert subject_of({}) is None
    assert subject_of(None) is None
