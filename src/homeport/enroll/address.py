"""URLs of mirrors, as engines can be given them. Pure."""

import re
from dataclasses import dataclass
from typing import Optional
from urllib.parse import urlsplit

from homeport.enroll.errors import EnrollError

SCHEMES = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})|[0-9A-Fa-f:.]{2,45}")
_PATH = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class Address:
    """`path` is empty or begins with a slash; it never ends with one."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == SCHEMES[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.path}"


def parse_address(url: str) -> Address:
    """Raises EnrollError with what is wrong, and without a password that may be in it."""
    text = url.strip()
    if "://" not in text:
        raise EnrollError(
            f"the mirror's URL has no scheme: {_without_user(text)}",
            hint=f"write https://{_without_user(text)}, or http:// if it has no TLS",
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _odd(text, "is no URL") from None
    if parts.scheme not in SCHEMES:
        raise _odd(text, f"has the scheme {parts.scheme}", "engines know http and https")
    if "@" in parts.netloc:
        raise _odd(
            text,
            "has a user name or password in it",
            "no engine takes it from there; give clients of your network access without a login",
        )
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise _odd(text, "has a query or fragment", "leave away what begins with ? or #")
    host = parts.hostname or ""
    if not _HOST.fullmatch(host) or port == 0:
        raise _odd(text, "names no host")
    path = parts.path.rstrip("/")
    if path == "/v2":
        path = ""  # engines add it themselves
    if not _PATH.fullmatch(path):
        raise _odd(text, "has a path that no registry can have")
    return Address(parts.scheme, host, port or SCHEMES[parts.scheme], path)


def docker_address(url: str) -> Address:
    """As `parse_address`, for what Docker's `registry-mirrors` gets: it takes no path."""
    found = parse_address(url)
    if found.path:
        raise EnrollError(
            f"Docker cannot use a mirror with a path: {found.url}",
            hint="give Docker a door of its own by --docker-mirror: in Nexus a repository "
            "connector's port, before Harbor a reverse proxy that adds the path; or enroll the "
            "other engines alone by --engine",
        )
    return found


def _odd(text: str, what: str, hint: Optional[str] = None) -> EnrollError:
    shown = _without_user(text)
    return EnrollError(
        f"the mirror's URL {what}: {shown}", hint=hint or "write http(s)://HOST[:PORT]"
    )


def _without_user(text: str) -> str:
    """What may be shown: nobody's password, no query."""
    scheme, separator, rest = text.rpartition("://")
    rest = re.split(r"[?#]", rest)[0]
    netloc, slash, path = rest.partition("/")
    return f"{scheme}{separator}{netloc.rpartition('@')[2]}{slash}{path}"[:200]
