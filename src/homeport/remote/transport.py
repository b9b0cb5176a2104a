"""Connections to one registry and to where it sends us: proxy, TLS, and the check of addresses.

Nothing here is shared between two registries: not a pool, not a name server's thread.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import aiohttp
from aiohttp import AddrInfoType
from msgspec import Struct
from yarl import URL

from homeport.remote.errors import RemoteError, TimedOutError, UnreachableError
from homeport.remote.explain import RefusedAddressError, explain
from homeport.remote.login import Login
from homeport.remote.resolver import Resolver
from homeport.remote.target import Targets, Way, host_of

_BUFFER = 64 * 1024
_MAX_LINE = 16 * 1024
_IDLE_SECONDS = 30.0
_DNS_SECONDS = 30
_SOCKS = {"socks5": "socks5", "socks5h": "socks5", "socks4": "socks4", "socks4a": "socks4"}


class Proxy(Struct, frozen=True, kw_only=True):
    """`url` has no user; `name` is what may be shown. A SOCKS proxy looks names up itself."""

    url: str
    name: str
    scheme: str
    username: str | None = None
    password: str = ""

    @property
    def is_socks(self) -> bool:
        return self.scheme in _SOCKS

    @property
    def authorization(self) -> str:
        return Login(username=self.username or "", secret=self.password).basic

    def __repr__(self) -> str:
        return f"Proxy({self.name!r})"


def parse_proxy(text: str) -> Proxy:
    """`http://`, `https://`, `socks5://` or `socks5h://`, with a user and a password or without.
    Raises ValueError in words that do not repeat it."""
    try:
        url = URL(text)
        port = url.explicit_port
    except ValueError:
        raise ValueError("the proxy's URL is malformed") from None
    if url.scheme not in ("http", "https", *_SOCKS) or not url.host:
        raise ValueError("a proxy is http://, https:// or socks5://, and a host")
    if url.path not in ("", "/") or url.query_string or url.fragment:
        raise ValueError("a proxy's URL has no path")
    if port is None:
        port = 1080 if url.scheme in _SOCKS else url.port or 80
    host = f"[{url.host}]" if ":" in url.host else url.host
    return Proxy(
        url=f"{url.scheme}://{host}:{port}",
        name=f"{host}:{port}",
        scheme=url.scheme,
        username=url.user,
        password=url.password or "",
    )


_CONTEXTS: WeakValueDictionary[tuple[object, ...], ssl.SSLContext] = WeakValueDictionary()


def make_tls_context(ca: str | None) -> ssl.SSLContext:
    """The system's trust, and the PEM file `ca` beside it. Raises ValueError.

    A context takes a megabyte, so that those who trust the same share one. It is a value: nobody
    waits for another in it.
    """
    key: tuple[object, ...] = ()
    try:
        if ca is not None:
            status = Path(ca).stat()
            key = (ca, status.st_ino, status.st_mtime_ns, status.st_size)
        context = _CONTEXTS.get(key)
        if context is None:
            context = ssl.create_default_context()
            context.set_alpn_protocols(["http/1.1"])
            if ca is not None:
                context.load_verify_locations(cafile=ca)
            _CONTEXTS[key] = context
    except OSError as error:  # ssl.SSLError is one
        reason = "it holds none" if isinstance(error, ssl.SSLError) else error.strerror
        raise ValueError(f"the certificates in {ca} cannot be used: {reason}") from None
    return context


class Transport:
    """`connect_timeout` is seconds for a connection with TLS, `answer_timeout` for the first byte
    of an answer, the connection included. The sessions are made in the loop that first needs
    them."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext,
        proxy: Proxy | None,
        redirects: Targets,
        realms: Targets,
        connect_timeout: float,
        answer_timeout: float,
        agent: str,
    ) -> None:
        self._tls = tls
        self.proxy = proxy
        self._targets = {Way.REDIRECT: redirects, Way.REALM: realms}
        self._connect_timeout = connect_timeout
        self._answer_timeout = answer_timeout
        self._agent = agent
        self._sessions: dict[Way, aiohttp.ClientSession] = {}

    async def send(
        self,
        method: str,
        url: URL,
        *,
        way: Way,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """The head of the answer, whatever its status; redirects are not followed. The caller
        releases or closes it. Raises RemoteError."""
        proxy = self.proxy
        through: dict[str, Any] = {}
        if proxy is not None and not proxy.is_socks:
            through["proxy"] = URL(proxy.url)
            if proxy.username is not None:
                login = {"Proxy-Authorization": proxy.authorization}
                # For https it goes into the CONNECT, which only the proxy sees.
                if url.scheme == "https":
                    through["proxy_headers"] = login
                else:
                    headers = {**headers, **login}
        try:
            async with asyncio.timeout(self._answer_timeout):
                response = await self._session(way).request(
                    method, url, headers=headers, data=form, allow_redirects=False, **through
                )
        except _failures() as error:
            raise self._explain(error, url) from None
        if response.status == 407 and proxy is not None:
            response.close()
            raise UnreachableError(
                f"the proxy {proxy.name} wants a user and a password, or refuses ours",
                host=_authority(url),
            )
        return response

    async def close(self) -> None:
        sessions = tuple(self._sessions.values())
        self._sessions.clear()
        for session in sessions:
            await session.close()

    def _explain(self, error: BaseException, url: URL) -> RemoteError:
        host = _authority(url)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return TimedOutError(
                f"no connection to {host} in {self._connect_timeout:g} seconds", host=host
            )
        if isinstance(error, TimeoutError) and not getattr(error, "errno", None):
            return TimedOutError(
                f"{host} did not answer in {self._answer_timeout:g} seconds", host=host
            )
        return explain(error, host, proxy=None if self.proxy is None else self.proxy.name)

    def _session(self, way: Way) -> aiohttp.ClientSession:
        session = self._sessions.get(way)
        if session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout)
            session = self._sessions[way] = aiohttp.ClientSession(
                connector=self._connector(way),
                timeout=timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self._agent},
                # "br" and "zstd" would be offered otherwise.
                skip_auto_headers=("Accept-Encoding", "Accept"),
                trust_env=False,
                requote_redirect_url=False,
                read_bufsize=_BUFFER,
                max_line_size=_MAX_LINE,
                max_field_size=_MAX_LINE,
            )
        return session

    def _connector(self, way: Way) -> aiohttp.BaseConnector:
        # No limit here: who may connect is decided, in turn, before (upstream/turns.py).
        common: dict[str, Any] = {
            "ssl": self._tls,
            "limit": 0,
            "keepalive_timeout": _IDLE_SECONDS,
            "enable_cleanup_closed": False,
        }
        proxy = self.proxy
        if proxy is not None and proxy.is_socks:
            from aiohttp_socks import ProxyConnector, ProxyType

            parts = URL(proxy.url)
            return ProxyConnector(
                host=parts.host or "",
                port=parts.port or 1080,
                proxy_type=ProxyType.SOCKS5
                if _SOCKS[proxy.scheme] == "socks5"
                else ProxyType.SOCKS4,
                username=proxy.username,
                password=proxy.password if proxy.username is not None else None,
                rdns=True,
                **common,
            )
        common |= {"resolver": Resolver(), "ttl_dns_cache": _DNS_SECONDS}
        if way is Way.OPEN or proxy is not None:
            return aiohttp.TCPConnector(**common)
        targets = self._targets[way]

        def make_socket(info: AddrInfoType) -> socket.socket:
            # The last step before connect(2), with the very address: no name can stand for another
            # one in between.
            family, kind, protocol, _, address = info
            if not targets.allows_address(str(address[0])):
                raise RefusedAddressError
            return socket.socket(family, kind, protocol)

        return aiohttp.TCPConnector(**common, socket_factory=make_socket)


def _authority(url: URL) -> str:
    host = host_of(url)
    host = f"[{host}]" if ":" in host else host
    return host if url.is_default_port() else f"{host}:{url.port}"


@cache
def _failures() -> tuple[type[Exception], ...]:
    """What a request may raise; a ValueError is for what a server made up (a URL, a header)."""
    from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

    proxy = (ProxyConnectionError, ProxyError, ProxyTimeoutError)
    return (aiohttp.ClientError, OSError, ValueError, *proxy)
