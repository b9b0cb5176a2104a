"""Where an engine listens, as `DOCKER_HOST` and `CONTAINER_HOST` write it."""

from urllib.parse import urlsplit

from msgspec import Struct

from homeport.engine.api import EngineError

PLAIN_PORT = 2375
TLS_PORT = 2376


class Address(Struct, frozen=True, kw_only=True):
    """A unix socket's `path`, or `host` and `port`; `certificates` is the folder that TLS needs.
    With `ssh` it is a socket of that host's, by a login as `user`; what is not given is as ssh and
    the engine have it.

    The text form never holds what a URL may carry besides (user, password).
    """

    path: str | None = None
    host: str = ""
    port: int = 0
    certificates: str | None = None
    ssh: bool = False
    user: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.ssh:
            return f"ssh://{host}{f':{self.port}' if self.port else ''}{self.path or ''}"
        if self.path is not None:
            return f"unix://{self.path}"
        return f"tcp://{host}:{self.port}"


def parse_address(text: str, certificates: str | None = None) -> Address:
    """`unix:///path`, `tcp://host[:port]`, `http(s)://…`, `ssh://[user@]host[:port][/path]` or a
    plain absolute path.

    `certificates` (as `DOCKER_CERT_PATH`) turns TCP into TLS. Raises `EngineError` for anything
    else.
    """
    if text.startswith("/"):
        return Address(path=text)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise _unusable(text, str(error)) from error
    if url.scheme == "unix" and url.path:
        return Address(path=url.path)
    if url.scheme in ("tcp", "http", "https") and url.hostname:
        tls = certificates is not None or url.scheme == "https"
        return Address(
            host=url.hostname,
            port=port or (TLS_PORT if tls else PLAIN_PORT),
            certificates=(certificates or "") if tls else None,
        )
    if url.scheme == "ssh" and url.hostname:
        if url.password is not None:
            raise _unusable(f"ssh://{url.hostname}", "ssh takes no password from there; use a key")
        return Address(
            ssh=True,
            user=url.username or "",
            host=url.hostname,
            port=port or 0,
            path=url.path.rstrip("/") or None,
        )
    raise _unusable(f"{url.scheme}://" if url.scheme else text, "not unix://, tcp:// or ssh://")


def _unusable(shown: str, reason: str) -> EngineError:
    return EngineError.of(
        f"cannot use the container engine address {shown!r}: {reason}", code="engine-address"
    )
