"""Addresses, URLs, hosts and networks in the settings; every function raises ValueError.

No message repeats a value: a URL may hold a password.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from homeport.mirror.names.hosts import is_host
from homeport.remote.base_url import parse_base_url

_HOST_GLOB = re.compile(r"\*\.(.+)")
_SINK = re.compile(r"file:/.+|syslog:/.+|syslog:(.+):([0-9]{1,5})")
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*")
_PROXIES = ("http", "https", "socks4", "socks5", "socks5h")


def listen_address(text: str) -> str:
    """`HOST:PORT`, `[IPv6]:PORT` or `unix:/path`."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/") or "\0" in path or len(path.encode()) > 107:
            raise ValueError("expected unix: and an absolute path of at most 107 bytes")
        return text
    host, _, port = text.rpartition(":")
    if not (is_host(host.lower()) and _is_port(port)) or (":" in host and not host.startswith("[")):
        raise ValueError(
            'expected HOST:PORT such as "127.0.0.1:5000" or "[::]:5000", or unix:/path'
        )
    if host.startswith("["):
        ipaddress.IPv6Address(host[1:-1])
    return text


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach a listener."""
    host = address.rpartition(":")[0].strip("[]")
    if address.startswith("unix:") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def upstream_url(text: str) -> str:
    """`http(s)://host[:port][/prefix]`, without its final slash."""
    url = _plain_url(text)
    parse_base_url(url)
    return url


def _plain_url(text: str) -> str:
    url = _url(text, ("https", "http"))
    if url.username is not None or url.password is not None:
        raise ValueError("a URL holds no user and no password: they belong under credentials")
    if _PATH.fullmatch(url.path.rstrip("/")) is None:
        raise ValueError("a URL's path has letters, digits, - . _ ~ and single slashes")
    return text.rstrip("/")


def root_url(text: str) -> str:
    """`http(s)://host[:port]`: clients look for `/v2/` at the root."""
    url = _url(_plain_url(text), ("https", "http"))
    if url.path.strip("/"):
        raise ValueError("expected a URL without a path: clients look for /v2/ at the root")
    return text.rstrip("/")


def https_url(text: str) -> str:
    """What keys are read from: nobody may change it on the way, so http is for this machine."""
    url = _url(_plain_url(text), ("https", "http"))
    if url.scheme == "http" and not is_loopback(f"{url.hostname}:0"):
        raise ValueError("expected https://")
    return text


def ldap_url(text: str) -> str:
    url = _url(text, ("ldap", "ldaps"))
    if url.username is not None or url.path.strip("/"):
        raise ValueError("expected ldap(s)://HOST[:PORT] alone; bind_dn and user_base are keys")
    return text.rstrip("/")


def proxy_url(text: str) -> str:
    url = _url(text, _PROXIES)
    if url.path.strip("/"):
        raise ValueError("a proxy's URL has no path")
    return text.rstrip("/")


def _url(text: str, schemes: tuple[str, ...]) -> SplitResult:
    wanted = f"expected a URL that begins with {' or '.join(f'{name}://' for name in schemes)}"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(wanted) from None
    host = url.netloc.rpartition("@")[2]
    if url.scheme not in schemes or not (host.isascii() and is_host(host.lower())) or port == 0:
        raise ValueError(wanted)
    if "?" in text or "#" in text:
        raise ValueError("a URL here has no query and no fragment")
    if any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError("a URL has no spaces")
    return url


def host_pattern(text: str) -> str:
    """A host, `host:port`, `*.domain`, an address or a network."""
    lower = text.lower()
    try:
        return str(ipaddress.ip_network(lower))  # an address also allows names that lead to it
    except ValueError:
        pass
    glob = _HOST_GLOB.fullmatch(lower)
    if not is_host(glob.group(1) if glob else lower):
        raise ValueError(
            'expected a host, a pattern such as "*.cdn.example", or a network such as "10.0.0.0/8"'
        )
    return lower


def network(text: str) -> str:
    """A network in CIDR notation, or one address."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError('expected a network such as "10.0.0.0/8" or "fd00::/8"') from None
    raise ValueError(f"the address has bits beyond its prefix; the network is {meant}")


def proxy_network(text: str) -> str:
    """A network, or `unix`: whoever comes through a unix socket."""
    return text if text == "unix" else network(text)


def sink(text: str) -> str:
    found = _SINK.fullmatch(text)
    if found is None or "\0" in text:
        raise ValueError("expected file:/path, syslog:HOST:PORT or syslog:/dev/log")
    host, port = found.groups()
    if host is not None and not (is_host(host.lower()) and _is_port(port) and int(port)):
        raise ValueError("expected syslog:HOST:PORT")
    return text


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text[:6]) <= 65_535
