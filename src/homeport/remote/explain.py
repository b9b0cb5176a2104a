"""Failures of the HTTP library in words. Its own texts may hold URLs with signatures: none of them
is repeated."""

import errno
import os
import socket
import ssl

import aiohttp

from homeport.remote.errors import (
    CutError,
    FailedError,
    ForbiddenTargetError,
    RemoteError,
    TimedOutError,
    UnreachableError,
)

_TLS = {
    "WRONG_VERSION_NUMBER": "it does not speak TLS (is it http://?)",
    "HTTP_REQUEST": "it does not speak TLS (is it http://?)",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it asks for a client certificate",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks no version of TLS that we do",
    "UNSUPPORTED_PROTOCOL": "it speaks no version of TLS that we do",
    "UNEXPECTED_EOF_WHILE_READING": "it ended the connection during the TLS handshake",
}
_UNTRUSTED = (18, 19, 20, 21)  # X509_V_ERR: self-signed, and without its issuer


class RefusedAddressError(OSError):
    """The address is of this machine or of a private network, and not listed."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "a private address")


def explain(error: BaseException, host: str, *, proxy: str | None = None) -> RemoteError:
    """What a failed exchange with `host` means."""
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
    if isinstance(inner, RefusedAddressError):
        return ForbiddenTargetError(
            f"{host} has an address of this machine or of a private network", host=host
        )
    found = None if proxy is None else _explain_proxy(error, host, proxy)
    if found is not None:
        return found
    certificate = _certificate_error(error)
    if certificate is not None:
        return UnreachableError(_explain_certificate(certificate, host), host=host)
    for kind, meaning, words in _MEANINGS:
        if isinstance(error, kind):
            return meaning(words.format(host=host, reason=_reason(error)), host=host)
    return UnreachableError(f"no answer of {host}", host=host)


_MEANINGS: tuple[tuple[type[BaseException], type[RemoteError], str], ...] = (
    (aiohttp.ClientConnectorSSLError, UnreachableError, "no TLS with {host}: {reason}"),
    (ssl.SSLError, UnreachableError, "no TLS with {host}: {reason}"),
    (aiohttp.ClientConnectorDNSError, UnreachableError, "{host} has no address: {reason}"),
    (aiohttp.ClientConnectorError, UnreachableError, "no connection to {host}: {reason}"),
    (aiohttp.ClientResponseError, FailedError, "{host} does not speak HTTP as it should"),
    (aiohttp.InvalidURL, FailedError, "{host} is not a usable address"),
    (aiohttp.ClientPayloadError, CutError, "{host} cut the answer off"),
    (TimeoutError, TimedOutError, "{host} did not answer in time"),
    (
        aiohttp.ServerDisconnectedError,
        UnreachableError,
        "{host} closed the connection without an answer",
    ),
    (
        ConnectionResetError,
        UnreachableError,
        "{host} closed the connection without an answer",
    ),
    (OSError, UnreachableError, "no answer of {host}: {reason}"),
)
"""In order: the first kind that an error is of counts."""


def _explain_proxy(error: BaseException, host: str, proxy: str) -> RemoteError | None:
    from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

    match error:
        case aiohttp.ClientHttpProxyError(status=407):
            reason = "wants a user and a password, or refuses ours"
        case aiohttp.ClientHttpProxyError():
            reason = f"does not let us through to {host} (status {error.status})"
        case aiohttp.ClientProxyConnectionError():
            reason = f"cannot be reached: {_words(error.os_error)}"
        case ProxyConnectionError():
            reason = "cannot be reached"
        case ProxyTimeoutError():
            return TimedOutError(f"no connection to {host} through the proxy {proxy}", host=host)
        case ProxyError():
            reason = f"does not let us through to {host}"
        case _:
            return None
    return UnreachableError(f"the proxy {proxy} {reason}", host=host)


def _certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        inner = error.certificate_error
        return inner if isinstance(inner, ssl.SSLCertVerificationError) else None
    return error if isinstance(error, ssl.SSLCertVerificationError) else None


def _explain_certificate(error: ssl.SSLCertVerificationError, host: str) -> str:
    if error.verify_code in _UNTRUSTED:
        return (
            f"the certificate of {host} is signed by nobody whom we trust; if the authority is your"
            " own, set `ca` to its PEM file"
        )
    if error.verify_code == 10:
        return f"the certificate of {host} has expired"
    if error.verify_code == 9:
        return f"the certificate of {host} is not valid yet (is the clock right?)"
    if error.verify_code in (62, 64):
        return f"the certificate of {host} is for another name"
    return f"the certificate of {host} is not valid: {error.verify_message}"


def _reason(error: BaseException) -> str:
    """The system's or the TLS library's own reason."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
    if isinstance(inner, ssl.SSLError):
        reason = inner.reason or ""
        return _TLS.get(reason, reason.replace("_", " ").lower() or "the handshake failed")
    return _words(inner) if isinstance(inner, OSError) else ""


def _words(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return "the name server does not answer"
        return "its name is not known"
    if error.errno:
        return os.strerror(error.errno).lower()
    return (error.strerror or "it failed").lower()
