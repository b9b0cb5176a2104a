"""What anybody may know of the mirror: that it is one, and which door is for which engine. Pure."""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from homeport.mirror.model.config import ListenerConfig
from homeport.mirror.model.exchange import Request

KIND = "homeport"


def introduction(
    listeners: Iterable[ListenerConfig], request: Request, version: str
) -> dict[str, Any]:
    """`{"kind", "version", "listeners": [{"role", "url"}]}`.

    A listener's URL is its `external_url`; without one the host that the client has asked, with the
    listener's port. Listeners that this client cannot reach so are left out: unix sockets, and
    those on loopback for who comes from elsewhere.
    """
    host = _name(request.host)
    found = []
    for listener in listeners:
        url = listener.external_url or (
            request.scheme + "://" + request.host
            if listener.name == request.listener
            else _url(listener, host)
        )
        if url is not None:
            found.append({"role": listener.role.value, "url": url.rstrip("/")})
    return {"kind": KIND, "version": version, "listeners": found}


def _url(listener: ListenerConfig, host: str) -> str | None:
    if listener.address.startswith("unix:") or not host:
        return None
    bound, _, port = listener.address.rpartition(":")
    if _is_loopback(bound) and not _is_loopback(host):
        return None
    return f"{'https' if listener.tls else 'http'}://{host}:{port}"


def _name(host: str) -> str:
    """`HOST` of `HOST[:PORT]`, with the brackets of IPv6."""
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.partition(":")[0]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
