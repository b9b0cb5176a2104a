"""URLs of the web, taken apart once; nothing here shows what may be a secret."""

from msgspec import Struct

from homeport.errors import MissingError

_PORTS = {"http": 80, "https": 443}
_MAX_LENGTH = 8192


class Url(Struct, frozen=True, kw_only=True):
    """`scheme` is http or https, `host` lower case without brackets, `target` path and query.

    `user` and `password` are those written into the URL.
    """

    scheme: str
    host: str
    port: int
    target: str
    user: str | None = None
    password: str = ""

    @property
    def authority(self) -> str:
        """`host`, or `host:port` where the port is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What a credential belongs to (RFC 6454, section 4)."""
        return self.scheme, self.host, self.port

    @property
    def loopback(self) -> bool:
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def __str__(self) -> str:
        """The URL without user, password and query, each of which may be a secret."""
        path, question, _ = self.target.partition("?")
        return f"{self.scheme}://{self.authority}{path}{'?…' if question else ''}"


def parse_url(text: str) -> Url:
    """An absolute http or https URL; raises `MissingError` for anything else."""
    from urllib.parse import quote, unquote, urlsplit

    if len(text) > _MAX_LENGTH or not text.isprintable():
        raise _invalid("it is too long, or has characters that no URL has")
    try:
        parts = urlsplit(text.strip())
        port = parts.port
        host = (parts.hostname or "").rstrip(".").lower()
        host = host if host.isascii() else host.encode("idna").decode()
    except ValueError:  # UnicodeError is one
        raise _invalid("it is malformed") from None
    if parts.scheme not in _PORTS:
        raise _invalid("only http and https are read")
    if not host or any(char in host for char in " \"'<>\\^`{|}%"):
        raise _invalid("it names no host")
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~") or "/"
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~?[]")
    return Url(
        scheme=parts.scheme,
        host=host,
        port=port or _PORTS[parts.scheme],
        target=f"{path}?{query}" if query else path,
        user=None if parts.username is None else unquote(parts.username),
        password=unquote(parts.password or ""),
    )


def join_url(base: Url, location: str) -> Url:
    """Where a redirect of `base` leads (RFC 3986, section 5)."""
    from urllib.parse import urljoin

    host = f"[{base.host}]" if ":" in base.host else base.host
    try:
        joined = urljoin(f"{base.scheme}://{host}:{base.port}{base.target}", location)
    except ValueError:
        raise _invalid("it is malformed") from None
    return parse_url(joined)


def _invalid(reason: str) -> MissingError:
    return MissingError.of(f"this URL cannot be read: {reason}", code="url")
