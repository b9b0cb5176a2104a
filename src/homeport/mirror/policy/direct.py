"""Whether an address of this machine is that of who asks.

A reverse proxy on this machine that is no trusted one, and a page in a browser on this machine
(by a form, or by a name of its own that leads to 127.0.0.1: DNS rebinding), come from here, too.
"""

from homeport.mirror.model.exchange import Request
from homeport.mirror.policy.networks import is_local

_PASSED_ON = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")
_NAMES = ("localhost", "ip6-localhost", "ip6-loopback")


def is_direct(request: Request) -> bool:
    headers = request.headers
    if any(name in headers for name in _PASSED_ON) or "Origin" in headers:
        return False
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return False
    host = headers.get("Host")
    return host is None or request.address == "unix" or _is_of_this_machine(host)


def _is_of_this_machine(host: str) -> bool:
    """A loopback address, or a name that no DNS server gives out."""
    name = host.strip().lower()
    head, colon, port = name.rpartition(":")
    if colon and port.isdigit():
        name = head
    name = name.strip("[]").rstrip(".")
    return name in _NAMES or name.endswith(".localhost") or is_local(name)
