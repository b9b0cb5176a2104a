"""From an upstream's settings to its sources: addresses, trust, logins."""

from collections.abc import Callable, Mapping

from homeport import __version__
from homeport.mirror.model.config import CredentialsConfig, UpstreamConfig
from homeport.mirror.upstream.source import Source
from homeport.remote.base_url import BaseUrl, parse_base_url
from homeport.remote.client import Access, Client, Hear
from homeport.remote.credentials import Credentials, DockerConfig, Helper, Static
from homeport.remote.credentials import Source as LoginSource


def make_sources(
    config: UpstreamConfig,
    *,
    clock: Callable[[], float],
    env: Mapping[str, str],
    manifest_bytes: int,
) -> tuple[Source, ...]:
    """A source for each URL, in their order. Raises ValueError in words."""
    if not config.urls:
        raise ValueError(f"the upstream {config.name} has no urls")
    bases = [_parse(config.name, url) for url in config.urls]
    hosts = [base.authority for base in bases]
    login = config.credentials
    if login is not None and login.username is not None and len(set(hosts)) > 1:
        raise ValueError(
            f"the upstream {config.name} has urls of several hosts and one user: which is it for?"
            " Use docker_config, which holds a login for each host"
        )

    def make(url: str, base: BaseUrl) -> Source:
        def make_client(hear: Hear) -> Client:
            return Client(
                _access(config, url, manifest_bytes),
                clock=clock,
                credentials=_credentials(login, base, clock=clock, env=env),
                hear=hear,
            )

        unique = hosts.count(base.authority) == 1
        return Source(
            base.authority if unique else str(base).partition("://")[2].rstrip("/"),
            make_client=make_client,
            breaker_seconds=config.breaker_seconds,
            probe_seconds=min(config.answer_timeout, max(1.0, config.breaker_seconds)),
            clock=clock,
        )

    try:
        return tuple(make(url, base) for url, base in zip(config.urls, bases, strict=True))
    except ValueError as error:
        raise ValueError(f"the upstream {config.name} cannot be used: {error}") from None


def _parse(name: str, url: str) -> BaseUrl:
    try:
        return parse_base_url(url)
    except ValueError as error:
        raise ValueError(f"a URL of the upstream {name} cannot be used: {error}") from None


def _access(config: UpstreamConfig, url: str, manifest_bytes: int) -> Access:
    return Access(
        url=url,
        proxy=config.proxy,
        ca=config.ca,
        redirect_hosts=config.redirect_hosts,
        auth_hosts=config.auth_hosts,
        connect_timeout=config.connect_timeout,
        answer_timeout=config.answer_timeout,
        read_timeout=config.read_timeout,
        min_rate=config.min_rate,
        manifest_bytes=manifest_bytes,
        agent=f"homeport/{__version__}",
    )


def _credentials(
    config: CredentialsConfig | None,
    base: BaseUrl,
    *,
    clock: Callable[[], float],
    env: Mapping[str, str],
) -> Credentials | None:
    if config is None:
        return None
    source: LoginSource
    if config.docker_config is not None:
        source = DockerConfig(config.docker_config, base.authority, prefix=base.prefix, env=env)
    elif config.helper is not None:
        source = Helper(config.helper, base.authority, env=env)
    elif config.username is not None and (config.password_file or config.password_env):
        source = Static(
            config.username, file=config.password_file, variable=config.password_env, env=env
        )
    else:
        raise ValueError(
            "its credentials are a username with password_file or password_env, docker_config, or"
            " helper"
        )
    return Credentials(source, clock=clock)
