"""The URL of a registry as its owner writes it, with or without a path.

`https://h` and `https://h/v2` are the same. What stands behind `v2` is put before the name of every
repository (`https://harbor.corp/v2/proxy-hub`: a project that is a proxy of Docker Hub). A path
without `v2` stands before it (`https://h/artifactory/api/docker/hub`), as containerd reads it.
"""

from urllib.parse import urlsplit

from msgspec import Struct

from homeport.lib.address import parse_address
from homeport.oci.reference import is_name

PORTS = {"http": 80, "https": 443}
_MAX_LENGTH = 2048


class BaseUrl(Struct, frozen=True, kw_only=True):
    """`root` is the path before `/v2/`, empty or `/…`; `prefix` that before a repository's name,
    empty or `…/`. `host` is in lower case, without brackets."""

    scheme: str
    host: str
    port: int
    root: str = ""
    prefix: str = ""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def is_loopback(self) -> bool:
        address = parse_address(self.host)
        return self.host == "localhost" if address is None else address.is_loopback

    def path(self, repository: str, rest: str) -> str:
        """The path of an end-point of a repository: `rest` is `manifests/latest` and the like."""
        return f"{self.root}/v2/{self.prefix}{repository}/{rest}"

    @property
    def ping_path(self) -> str:
        return f"{self.root}/v2/"

    def scope(self, repository: str) -> str:
        """What a token must allow (distribution, Token Scope Documentation)."""
        return f"repository:{self.prefix}{repository}:pull"

    def __str__(self) -> str:
        return f"{self.origin}{self.root}/v2/{self.prefix}"


def parse_base_url(text: str) -> BaseUrl:
    """The URL in `text`; raises ValueError in words that do not repeat it (it may hold secrets)."""
    if len(text) > _MAX_LENGTH or not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("it is too long, or has characters that no URL has")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("it is malformed") from None
    host = (parts.hostname or "").rstrip(".").lower()
    if parts.scheme not in PORTS:
        raise ValueError("it must begin with https:// or http://")
    if not host:
        raise ValueError("it names no host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("user, password, query and fragment do not belong into it")
    segments = [segment for segment in parts.path.split("/") if segment]
    if any(segment in (".", "..") or "%" in segment for segment in segments):
        raise ValueError("its path has segments that cannot be used")
    root, names = segments, list[str]()
    if "v2" in segments:
        place = segments.index("v2")
        root, names = segments[:place], segments[place + 1 :]
    if names and not is_name("/".join(names)):
        raise ValueError("what follows v2 in its path is not the beginning of a repository's name")
    return BaseUrl(
        scheme=parts.scheme,
        host=host,
        port=PORTS[parts.scheme] if port is None else port,
        root="".join(f"/{segment}" for segment in root),
        prefix="".join(f"{name}/" for name in names),
    )
