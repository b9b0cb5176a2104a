"""Fetching keys over HTTPS, from a server on loopback with an authority of its own."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from homeport.mirror.auth import jwks_fetch
from homeport.mirror.auth.jwks import IssuerUnavailableError

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def certificate(folder: Path) -> tuple[ssl.SSLContext, str]:
    """A server's context for 127.0.0.1, and the file of the authority that signed for it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    authority = folder / "ca.pem"
    authority.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, folder / "key.pem")
    return context, str(authority)


def serve(folder: Path, answer: Answer, *, trusted: bool = True) -> bytes:
    """What `fetch` makes of a server that answers so."""

    async def scenario() -> bytes:
        context, authority = certificate(folder)

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                await answer(writer)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        try:
            url = f"https://127.0.0.1:{port}/keys"
            return await jwks_fetch.fetch(url, authority if trusted else None)
        finally:
            server.close()
            await asyncio.sleep(0.05)

    return asyncio.run(scenario())


def http(status: str, body: bytes, *headers: str) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
        if not any(line.startswith("Content-Length") for line in lines):
            lines.append(f"Content-Length: {len(body)}")
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return answer


def test_the_body_of_an_answer_is_had(tmp_path: Path) -> None:
    assert serve(tmp_path, http("200 OK", b'{"keys":[]}')) == b'{"keys":[]}'


def test_an_unknown_authority_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(IssuerUnavailableError, match="Certificate"):
        serve(tmp_path, http("200 OK", b"{}"), trusted=False)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (http("302 Found", b"", "Location: http://169.254.169.254/"), "status 302"),
        (http("503 Busy", b"secret"), "status 503"),
        (http("200 OK", b"x" * (jwks_fetch.MAX_BYTES + 1)), "more than"),
        (http("200 OK", b"x", "Content-Length: 100"), "ClientPayloadError"),
    ],
)
def test_what_is_no_answer_is_an_outage(tmp_path: Path, answer: Answer, said: str) -> None:
    with pytest.raises(IssuerUnavailableError, match=said) as caught:
        serve(tmp_path, answer)
    assert "secret" not in str(caught.value)


def test_silence_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks_fetch, "TIMEOUT", 0.2)

    async def silent(writer: asyncio.StreamWriter) -> None:
        del writer
        await asyncio.sleep(0.4)

    with pytest.raises(IssuerUnavailableError, match="no answer in time"):
        serve(tmp_path, silent)


@pytest.mark.parametrize("url", ["http://issuer.corp/keys", "file:///etc/passwd", "ftp://x"])
def test_nothing_but_https_is_asked(url: str) -> None:
    with pytest.raises(IssuerUnavailableError, match="only https"):
        asyncio.run(jwks_fetch.fetch(url, None))


def test_an_authority_that_is_not_there_is_an_outage() -> None:
    with pytest.raises(IssuerUnavailableError):
        asyncio.run(jwks_fetch.fetch("https://127.0.0.1:1/", "/nowhere.pem"))
