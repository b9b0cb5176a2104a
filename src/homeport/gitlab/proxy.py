"""Which proxy a request goes through: `https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`.

The rules are those of curl(1) ("ENVIRONMENT") and of Go's `httpproxy`: lower case first, the
upper-case `HTTP_PROXY` not inside a CGI, and in `no_proxy` names, `.suffixes`, addresses, networks
in CIDR notation, an optional port, or `*`.
"""

from collections.abc import Mapping

from msgspec import Struct

from homeport.errors import HomeportError, MissingError
from homeport.gitlab.address import Url, parse_url


class Proxy(Struct, frozen=True, kw_only=True):
    """`authorization` is the value of `Proxy-Authorization`, or empty. Never print it."""

    host: str
    port: int
    authorization: str = ""


def choose_proxy(url: Url, env: Mapping[str, str]) -> Proxy | None:
    """The proxy for a request, None for a direct one. A proxy is never bypassed when it fails."""
    names = [f"{url.scheme}_proxy", f"{url.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"]
    if "REQUEST_METHOD" in env:
        # A web server puts the client's header `Proxy:` into HTTP_PROXY (httpoxy.org).
        names = [name for name in names if name != "HTTP_PROXY"]
    name, address = next(((name, env[name]) for name in names if env.get(name)), ("", ""))
    if not address or _excepted(url, env.get("no_proxy") or env.get("NO_PROXY") or ""):
        return None
    try:
        parsed = parse_url(address if "://" in address else f"http://{address}")
    except HomeportError:
        raise _unusable(name, "it is not the address of an HTTP proxy") from None
    if parsed.scheme != "http":
        raise _unusable(name, "a proxy is spoken to by http:// (https to the server goes through)")
    authorization = ""
    if parsed.user is not None:
        from homeport.gitlab.credentials import basic

        authorization = basic(parsed.user, parsed.password)
    return Proxy(host=parsed.host, port=parsed.port, authorization=authorization)


def _unusable(name: str, reason: str) -> MissingError:
    return MissingError.of(
        f"the proxy in {name} cannot be used: {reason}",
        code="proxy",
        hint=f"set {name}=http://HOST:PORT, or except the server with NO_PROXY",
    )


def _excepted(url: Url, exceptions: str) -> bool:
    return any(_matches(url, entry.strip().lower()) for entry in exceptions.split(","))


def _matches(url: Url, entry: str) -> bool:
    if not entry:
        return False
    if entry == "*":
        return True
    if "/" in entry:
        return _in_network(url.host, entry)
    name, port = _split_port(entry)
    if port and port != str(url.port):
        return False
    name = name.removeprefix("*").lstrip(".")
    return url.host == name or url.host.endswith(f".{name}")


def _split_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        return name, port.removeprefix(":")
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port
    return entry, ""


def _in_network(host: str, network: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
