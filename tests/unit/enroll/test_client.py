"""Every way in which a mirror cannot be reached has words of its own."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from homeport.enroll import client as client_module
from homeport.enroll.address import parse_address
from homeport.enroll.client import MirrorClient, proxy_for
from homeport.enroll.errors import EnrollError, UnreachableMirrorError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
DAY = datetime.timedelta(days=1)


@contextmanager
def server(answer: bytes | None, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answers each connection with these bytes, with nothing for b"", never for None."""
    listening = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            try:
                plain.settimeout(5)
                connection = context.wrap_socket(plain, server_side=True) if context else plain
                held.append(connection)
                if answer is None:
                    continue
                connection.recv(65536)
                connection.sendall(answer)
                connection.close()
            except OSError:
                plain.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)
        for connection in held:
            connection.close()


def certificate(
    folder: Path, *, begin: int = -1, end: int = 30, name: str = "127.0.0.1"
) -> tuple[ssl.SSLContext, str]:
    """A server's TLS with a CA of its own, and that CA; times in days from now."""
    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
    ca = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(ca_key.public_key())
        .serial_number(1)
        .not_valid_before(now - 100 * DAY)
        .not_valid_after(now + 100 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    try:
        host: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        host = x509.DNSName(name)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(2)
        .not_valid_before(now + begin * DAY)
        .not_valid_after(now + end * DAY)
        .add_extension(x509.SubjectAlternativeName([host]), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "server.pem").write_bytes(
        leaf.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context, ca.public_bytes(pem).decode()


def words(url: str, ca: str | None = None, timeout: float = 5.0) -> UnreachableMirrorError:
    with pytest.raises(UnreachableMirrorError) as caught:
        MirrorClient(url, ca=ca, env={}, timeout=timeout).get("/v2/")
    return caught.value


def test_with_its_ca_a_mirror_answers(tmp_path: Path) -> None:
    context, ca = certificate(tmp_path)
    with server(OK, context) as port:
        answer = MirrorClient(f"https://127.0.0.1:{port}", ca=ca, env={}).get("/v2/")
    assert (answer.status, answer.body) == (200, b"{}")


def test_an_unknown_ca(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = certificate(tmp_path / "other")
    with server(OK, context) as port:
        for ca in (None, other):
            error = words(f"https://127.0.0.1:{port}", ca)
            if ca is None:
                assert "a CA that is not known here" in error.message
                assert "--ca FILE" in error.hint


@pytest.mark.parametrize(
    ("begin", "end", "name", "said"),
    [
        (-9, -1, "127.0.0.1", "has expired"),
        (2, 9, "127.0.0.1", "not valid yet"),
        (-1, 9, "127.0.0.9", "for another name than 127.0.0.1"),
        (-1, 9, "mirror.corp", "for another name than 127.0.0.1"),
    ],
)
def test_certificates_that_do_not_fit(
    tmp_path: Path, begin: int, end: int, name: str, said: str
) -> None:
    context, ca = certificate(tmp_path, begin=begin, end=end, name=name)
    with server(OK, context) as port:
        assert said in words(f"https://127.0.0.1:{port}", ca).message


def test_the_wrong_scheme_is_told_with_the_right_one(tmp_path: Path) -> None:
    with server(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as port:
        error = words(f"https://127.0.0.1:{port}")
        assert "speaks plain HTTP" in error.message
        assert error.hint == f"write http://127.0.0.1:{port}"
    context, _ = certificate(tmp_path)
    with server(OK, context) as port:
        error = words(f"http://127.0.0.1:{port}")
        assert "speaks TLS" in error.message
        assert error.hint == f"write https://127.0.0.1:{port}"
    said = b"Client sent an HTTP request to an HTTPS server.\n"
    with server(b"HTTP/1.0 400 Bad Request\r\n\r\n" + said) as port:
        assert "speaks TLS" in words(f"http://127.0.0.1:{port}").message


def test_who_does_not_answer_or_says_nonsense() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert "refuses connections" in words(f"http://127.0.0.1:{port}").message
    with server(None) as port:
        assert "within 0.2 s" in words(f"http://127.0.0.1:{port}", timeout=0.2).message
    with server(b"SSH-2.0-x\r\n") as port:
        assert "cannot be reached" in words(f"http://127.0.0.1:{port}").message
    with server(b"") as port:
        assert "cannot be reached" in words(f"http://127.0.0.1:{port}").message
    assert "there is no address" in words("http://mirror.invalid:1").message


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000) as port:
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(UnreachableMirrorError, match="more than a registry"):
            MirrorClient(url, env={}).get("/", limit=4000)
    monkeypatch.setattr(client_module, "IN_ALL", 0.2)
    with server(None) as port, pytest.raises(UnreachableMirrorError):
        MirrorClient(f"http://127.0.0.1:{port}", env={}, timeout=30).get("/")


def test_a_ca_that_is_none_is_told() -> None:
    with pytest.raises(EnrollError, match="no certificate in PEM"):
        MirrorClient("https://mirror", ca="x", env={})


PROXY = {"HTTP_PROXY": "http://user:pw@proxy:3128", "https_proxy": "proxy"}


@pytest.mark.parametrize(
    ("url", "no_proxy", "proxy"),
    [
        ("http://mirror", "", "proxy:3128"),
        ("https://mirror", "", "proxy:80"),
        ("http://mirror", "other,mirror", None),
        ("http://mirror:5000", "mirror:5000", None),
        ("http://mirror:5000", "mirror:5001", "proxy:3128"),
        ("http://a.corp", ".corp", None),
        ("http://corp", ".corp", "proxy:3128"),
        ("http://a.corp", "corp", None),
        ("http://acorp", "corp", "proxy:3128"),
        ("http://a.corp", "*.corp", None),
        ("http://mirror", "*", None),
        ("http://10.1.2.3", "10.0.0.0/8", None),
        ("http://11.1.2.3", "10.0.0.0/8,x/y,", "proxy:3128"),
        ("http://127.0.0.1:5000", "", None),
        ("http://localhost", "", None),
        ("http://[::1]:5000", "", None),
    ],
)
def test_proxies_are_those_that_engines_would_use(
    url: str, no_proxy: str, proxy: str | None
) -> None:
    assert proxy_for(parse_address(url), {**PROXY, "NO_PROXY": no_proxy}) == proxy


def test_another_kind_of_proxy_is_refused() -> None:
    with pytest.raises(EnrollError, match="HTTP_PROXY"):
        proxy_for(parse_address("http://mirror"), {"http_proxy": "socks5://x:1"})


def test_a_proxy_is_asked_for_the_whole_url() -> None:
    with server(OK) as port:
        client = MirrorClient(
            "http://mirror.invalid", env={"HTTP_PROXY": f"http://127.0.0.1:{port}"}
        )
        assert client.get("/v2/").status == 200
