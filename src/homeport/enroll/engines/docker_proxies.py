"""Whether a daemon would reach a mirror through a proxy, by the rules of Go's `httpproxy`."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Optional
from urllib.parse import urlsplit

NAMES = ("http_proxy", "https_proxy", "no_proxy")


def from_env(env: Mapping[str, str]) -> Mapping[str, str]:
    """By their names in small letters; the name in capitals comes first, as for Go."""
    found = {}
    for name in NAMES:
        value = env.get(name.upper()) or env.get(name) or ""
        if value:
            found[name] = value
    return found


def from_info(info: Mapping[str, object]) -> Mapping[str, str]:
    """What `/info` says; passwords are hidden there."""
    given = {"http_proxy": "HttpProxy", "https_proxy": "HttpsProxy", "no_proxy": "NoProxy"}
    return {name: str(info[key]) for name, key in given.items() if info.get(key)}


def capturing(url: str, proxies: Mapping[str, str]) -> Optional[str]:
    """The proxy through which the URL would be reached; None for none."""
    parts = urlsplit(url)
    proxy = proxies.get(f"{parts.scheme}_proxy")
    host = (parts.hostname or "").lower()
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if not proxy or _is_loopback(host) or _excepted(host, port, proxies.get("no_proxy", "")):
        return None
    return proxy


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _excepted(host: str, port: int, listed: str) -> bool:
    return any(_matches(entry.strip().lower(), host, port) for entry in listed.split(","))


def _matches(entry: str, host: str, port: int) -> bool:
    if entry in ("", "*"):
        return entry == "*"
    if "/" in entry:
        try:
            return ip_address(host) in ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit() and (":" not in name or name.startswith("[")):
        if int(number) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    if entry.startswith("*."):
        entry = entry[1:]
    if entry.startswith("."):
        return host.endswith(entry)
    return host == entry or (host.endswith(f".{entry}") and not _is_address(host))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
