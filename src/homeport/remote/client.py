"""A client of one OCI registry (distribution-spec 1.1, the reading half).

Every call raises `RemoteError`. Redirects are followed here, by the rules of `target.py`; what is
asked for is always the registry's own URL, never a signed one that was remembered.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
from msgspec import Struct
from yarl import URL

from homeport.oci.digest import Digest, algorithm_of, hex_of
from homeport.oci.media_type import ACCEPT, OCI_INDEX
from homeport.remote.answer import Reader, failure_of
from homeport.remote.base_url import parse_base_url
from homeport.remote.challenge import parse_challenges
from homeport.remote.credentials import Credentials
from homeport.remote.download import Download, check_plain, open_download
from homeport.remote.errors import FailedError, ForbiddenTargetError, NotFoundError, RemoteError
from homeport.remote.listing import Page, next_query, parse_tags
from homeport.remote.manifest import FoundManifest, ManifestFacts, read_facts, read_manifest
from homeport.remote.referrers import merge_referrers, parse_referrers
from homeport.remote.target import Gate, Targets, Way, host_of, parse_target
from homeport.remote.token import Authorizer
from homeport.remote.transport import Transport, make_tls_context, parse_proxy

MAX_HOPS = 5
_ACCEPT = ", ".join(ACCEPT)
_MAX_LIST = 8 * 1024 * 1024
_MAX_REFERRERS = 16 * 1024 * 1024
_MAX_PAGES = 1000
_MAX_TAGS = 200_000
_REDIRECTS = (301, 302, 303, 307, 308)
_NO_REFERRERS = (400, 405, 501)

Hear = Callable[[Mapping[str, str]], None]
"""Told the headers of every answer of the registry itself (rate limits)."""


class Access(Struct, frozen=True, kw_only=True):
    """How a registry is reached. `url` as `base_url.py` reads it; `proxy` as `parse_proxy`; `ca` a
    PEM file beside the system's trust. Times are seconds: for a connection, for the first byte of
    an answer, and without a byte; `min_rate` is bytes a second. `manifest_bytes`
    is the largest manifest that is read."""

    url: str
    proxy: str | None = None
    ca: str | None = None
    redirect_hosts: tuple[str, ...] = ()
    auth_hosts: tuple[str, ...] = ()
    connect_timeout: float = 5.0
    answer_timeout: float = 30.0
    read_timeout: float = 30.0
    min_rate: int = 1024
    manifest_bytes: int = 8 * 1024 * 1024
    agent: str = "homeport"


class Client:
    """Raises ValueError at once for settings that cannot be used. Nothing is connected before the
    first call; sessions belong to the loop of that call."""

    def __init__(
        self,
        access: Access,
        *,
        clock: Callable[[], float],
        credentials: Credentials | None = None,
        hear: Hear | None = None,
    ) -> None:
        self.base = parse_base_url(access.url)
        self._access = access
        self._hear = hear
        realms = Targets(access.auth_hosts)
        redirects = Targets(access.redirect_hosts)
        self._redirects = Gate(self.base, redirects, Way.REDIRECT, "redirect_hosts")
        self._trusted = realms
        self._transport = Transport(
            tls=make_tls_context(access.ca),
            proxy=None if access.proxy is None else parse_proxy(access.proxy),
            redirects=redirects,
            realms=realms,
            connect_timeout=access.connect_timeout,
            answer_timeout=access.answer_timeout,
            agent=access.agent,
        )
        self._authorizer = Authorizer(
            gate=Gate(self.base, realms, Way.REALM, "auth_hosts"),
            transport=self._transport,
            credentials=credentials,
            clock=clock,
            read_timeout=access.read_timeout,
        )

    @property
    def host(self) -> str:
        """`host` or `host:port`, for people."""
        return self.base.authority

    async def ping(self) -> None:
        """end-1. A 401 or 403 is a sign of life, too."""
        url = URL(self.base.origin + self.base.ping_path, encoded=True)
        headers = {"Accept-Encoding": "identity"}
        response = await self._transport.send("GET", url, way=Way.OPEN, headers=headers)
        status = response.status
        response.close()
        if status >= 500:
            raise FailedError(
                f"{self.host} answered with status {status}", host=self.host, status=status
            )

    async def head_manifest(self, repository: str, reference: str) -> ManifestFacts:
        """end-3 by HEAD, which Docker Hub does not count."""
        what = f"manifest {repository}:{reference}"
        async with self._ask(
            "HEAD", repository, f"manifests/{reference}", what, accept=_ACCEPT
        ) as (response, host):
            return read_facts(response, host, what)

    async def get_manifest(self, repository: str, reference: str) -> FoundManifest:
        """end-3. The digest is that of the bytes; one that was asked for has to be it."""
        what = f"manifest {repository}:{reference}"
        async with self._ask("GET", repository, f"manifests/{reference}", what, accept=_ACCEPT) as (
            response,
            host,
        ):
            reader = self._reader(host)
            content = await reader.read_all(response, self._access.manifest_bytes)
            return read_manifest(response, content, host, what, reference)

    async def head_blob(self, repository: str, digest: Digest) -> int | None:
        """end-2 by HEAD: the size, None where it is not said.

        A 404 is confirmed by the GET of one byte: distribution's own mirror denies by HEAD what it
        would fetch by GET (distribution#4747).
        """
        what = f"blob {digest} of {repository}"
        try:
            async with self._ask("HEAD", repository, f"blobs/{digest}", what) as (response, host):
                check_plain(response, host, what)
                return response.content_length
        except NotFoundError:
            pass
        except FailedError as error:
            # The registry may have it, and its storage sign URLs for GET alone.
            if error.status not in (403, 405):
                raise
        async with self.open_blob(repository, digest, stop=1) as download:
            return download.size

    @asynccontextmanager
    async def open_blob(
        self, repository: str, digest: Digest, *, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[Download]:
        """end-2 from `start`, up to but without `stop`."""
        what = f"blob {digest} of {repository}"
        headers = {}
        if start or stop is not None:
            headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        path = f"blobs/{digest}"
        async with self._ask("GET", repository, path, what, headers=headers) as (response, host):
            reader = self._reader(host)
            yield open_download(response, reader, what, start=start, stop=stop)

    async def list_tags(
        self, repository: str, *, n: int | None = None, last: str | None = None
    ) -> tuple[tuple[str, ...], bool]:
        """end-8: `n` tags after `last` and whether there are more; all of them without `n`."""
        what = f"tags of {repository}"
        query = {} if n is None else {"n": str(n)}
        if last is not None:
            query["last"] = last
        tags: list[str] = []
        for _ in range(_MAX_PAGES):
            page = await self._list_page(repository, query, what)
            following = page.following
            only = following is None and not tags
            found = page.arranged(n, last) if only else page.after(last)
            tags += found
            if n is not None and len(tags) > n:
                return tuple(tags[:n]), True
            if following is None or not found:
                return tuple(tags), False
            if (n is not None and len(tags) >= n) or len(tags) >= _MAX_TAGS:
                return tuple(tags), True
            query, last = following, tags[-1]
        raise FailedError(f"{self.host} has no end of {what}", host=self.host)

    async def get_referrers(self, repository: str, digest: Digest) -> bytes | None:
        """end-12a, all pages as one index; the referrers tag schema where there is no such API
        (distribution-spec, Unavailable Referrers API). None where there is neither."""
        what = f"referrers of {digest} in {repository}"
        pages: list[bytes] = []
        query: dict[str, str] | None = {}
        try:
            while query is not None and len(pages) < 20:
                async with self._ask(
                    "GET", repository, f"referrers/{digest}", what, accept=OCI_INDEX, query=query
                ) as (response, host):
                    reader = self._reader(host)
                    content = await reader.read_all(response, self._access.manifest_bytes)
                    parse_referrers(content, host, what)
                    pages.append(content)
                    if sum(map(len, pages)) > _MAX_REFERRERS:
                        raise self._failed(f"has more than {_MAX_REFERRERS} bytes of {what}")
                    query = next_query(response)
        except NotFoundError:
            return await self._referrers_by_tag(repository, digest)
        except FailedError as error:
            if pages or error.status not in _NO_REFERRERS:
                raise
            return await self._referrers_by_tag(repository, digest)
        return pages[0] if len(pages) == 1 else merge_referrers(pages)

    async def close(self) -> None:
        await self._authorizer.close()
        await self._transport.close()

    async def _referrers_by_tag(self, repository: str, digest: Digest) -> bytes | None:
        tag = f"{algorithm_of(digest)[:32]}-{hex_of(digest)[:64]}"
        try:
            found = await self.get_manifest(repository, tag)
        except NotFoundError:
            return None
        return found.content if found.media_type == OCI_INDEX else None

    async def _list_page(self, repository: str, query: dict[str, str], what: str) -> Page:
        async with self._ask(
            "GET", repository, "tags/list", what, accept="application/json", query=query
        ) as (response, host):
            reader = self._reader(host)
            content = await reader.read_all(response, _MAX_LIST)
            return Page(
                tags=parse_tags(content, host, what),
                following=next_query(response),
            )

    @asynccontextmanager
    async def _ask(
        self,
        method: str,
        repository: str,
        rest: str,
        what: str,
        *,
        accept: str = "*/*",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, str]]:
        """A successful answer, and the host that gave it. A body that was not read to its end
        closes the connection."""
        url = URL(self.base.origin + self.base.path(repository, rest), encoded=True)
        if query:
            url = url.with_query(dict(query))
        sent = {"Accept": accept, "Accept-Encoding": "identity", **(headers or {})}
        scope = self.base.scope(repository)
        response, url = await self._exchange(method, url, sent, scope)
        try:
            if response.status not in (200, 206):
                raise await failure_of(
                    response,
                    self._reader(self._name(url)),
                    method=method,
                    what=what,
                    own=self._redirects.is_own(url),
                    secrets=self._authorizer.secrets,
                )
            yield response, self._name(url)
        finally:
            response.release()  # and closed, where its body was not read to the end

    async def _exchange(
        self, method: str, url: URL, headers: dict[str, str], scope: str
    ) -> tuple[aiohttp.ClientResponse, URL]:
        authorization = await self._authorizer.header(scope)
        response, end = await self._follow(method, url, headers, authorization)
        if response.status != 401 or not self._is_origin(end):
            return response, end
        challenges = parse_challenges(response.headers.getall("WWW-Authenticate", []))
        if not challenges:
            return response, end
        response.release()
        # Once: a token that was fetched for this very challenge is not refused by mistake.
        authorization = await self._authorizer.meet(challenges, scope, sent=authorization)
        return await self._follow(method, url, headers, authorization)

    async def _follow(
        self, method: str, url: URL, headers: dict[str, str], authorization: str | None
    ) -> tuple[aiohttp.ClientResponse, URL]:
        way = Way.OPEN
        for _ in range(MAX_HOPS + 1):
            sent = dict(headers)
            if authorization is not None and self._may_authorize(url):
                sent["Authorization"] = authorization
            try:
                response = await self._transport.send(method, url, way=way, headers=sent)
            except ForbiddenTargetError:
                raise self._redirects.refuse_address(url) from None
            if self._hear is not None and self._is_origin(url):
                self._hear(response.headers)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return response, url
            response.release()
            try:
                url = parse_target(location, base=url)
            except ValueError as error:
                raise self._failed(f"redirects to {error}") from None
            way = self._redirects.check(url)
        raise self._failed(f"redirects more than {MAX_HOPS} times")

    def _is_origin(self, url: URL) -> bool:
        base = self.base
        return (url.scheme, host_of(url), url.port) == (base.scheme, base.host, base.port)

    def _may_authorize(self, url: URL) -> bool:
        """The Authorization goes to the registry itself, and by https to its auth_hosts."""
        if self._is_origin(url):
            return True
        return url.scheme == "https" and self._trusted.lists_host(host_of(url), url.port or 0)

    def _name(self, url: URL) -> str:
        if self._is_origin(url):
            return self.host
        return host_of(url) if url.is_default_port() else f"{host_of(url)}:{url.port}"

    def _reader(self, host: str) -> Reader:
        return Reader(host, self._access.read_timeout, self._access.min_rate)

    def _failed(self, reason: str) -> RemoteError:
        return FailedError(f"{self.host} {reason}", host=self.host)
