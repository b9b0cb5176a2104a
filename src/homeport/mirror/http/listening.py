"""A listener's configuration, as its connections need it."""

from urllib.parse import urlsplit

from msgspec import Struct

from homeport.mirror.model.config import ListenerConfig


class Listening(Struct, frozen=True, kw_only=True):
    """`scheme` is that of the socket; `external_scheme` and `external_host` win over what a client
    wrote, except for the hosts that are virtual."""

    name: str
    scheme: str
    local: str
    external_scheme: str | None = None
    external_host: str | None = None
    virtual_hosts: frozenset[str] = frozenset()


def listening(config: ListenerConfig) -> Listening:
    """Raises ValueError for an external URL without host."""
    external = urlsplit(config.external_url) if config.external_url else None
    if external is not None and not external.hostname:
        raise ValueError(f"listener {config.name}: external_url has no host")
    return Listening(
        name=config.name,
        scheme="https" if config.tls else "http",
        local="localhost" if config.address.startswith("unix:") else config.address.lower(),
        external_scheme=external.scheme if external else None,
        external_host=external.netloc.rpartition("@")[2].lower() if external else None,
        virtual_hosts=frozenset(host.lower() for host in config.virtual_hosts),
    )
