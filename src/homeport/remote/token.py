"""Tokens of a registry's token service, and the headers that they go into.

distribution-spec has no authentication; this is Docker's (distribution, docs/spec/auth/token.md and
oauth.md). A failing token service shows as what it is: busy, failing, unreachable; never as "not
found".
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from homeport.remote.answer import Reader, failure_of
from homeport.remote.challenge import Challenge
from homeport.remote.credentials import Credentials, CredentialsError
from homeport.remote.errors import (
    BusyError,
    DeniedError,
    FailedError,
    ForbiddenTargetError,
    RemoteError,
    TimedOutError,
)
from homeport.remote.login import Kind, Login
from homeport.remote.target import Gate, Way, host_of, parse_target
from homeport.remote.transport import Transport

WELL_KNOWN_REALMS = {
    "registry-1.docker.io": frozenset(("auth.docker.io",)),
    "registry.gitlab.com": frozenset(("gitlab.com",)),
}
"""Token services that belong to a registry of another name: they get its credentials unlisted."""

_MAX_ANSWER = 64 * 1024
_MAX_TOKEN = 16 * 1024
_MAX_SCOPE = 2048
_MAX_KEPT = 4096
_MAX_HOPS = 5
_DEFAULT_LIFETIME = 60.0
_MAX_LIFETIME = 86_400.0
_DENIED_SECONDS = 10.0
_BUSY_SECONDS = 5.0
_MAX_BUSY_SECONDS = 60.0


class _Key(Struct, frozen=True):
    realm: str
    service: str
    scope: str
    login: Login | None


class _Kept(Struct, frozen=True):
    value: str
    until: float


class _Refusal(Struct, frozen=True):
    error: RemoteError
    until: float


class _Answer(Struct):
    token: str = ""
    access_token: str = ""
    expires_in: float | None = None


class Authorizer:
    """The Authorization header of each request to one registry. `clock` gives seconds.

    A token is kept until shortly before its end, and fetched once however many wait for it. A
    refusal is kept for ten seconds, so that a wrong password locks no account, and a busy service
    is left alone for as long as it says (a minute at most).
    """

    def __init__(
        self,
        *,
        gate: Gate,
        transport: Transport,
        credentials: Credentials | None,
        clock: Callable[[], float],
        read_timeout: float,
    ) -> None:
        self._gate = gate
        self._transport = transport
        self._credentials = credentials
        self._clock = clock
        self._read_timeout = read_timeout
        self._known: Challenge | None = None
        self._scopes: OrderedDict[str, str] = OrderedDict()
        self._tokens: OrderedDict[_Key, _Kept] = OrderedDict()
        self._refusals: OrderedDict[_Key, _Refusal] = OrderedDict()
        self._running: dict[_Key, asyncio.Task[str]] = {}
        self._seen_secrets: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown, if a registry should repeat it."""
        return self._seen_secrets + tuple(kept.value for kept in list(self._tokens.values())[-8:])

    async def header(self, scope: str) -> str | None:
        """The header to send at once: as the registry's last challenge wanted it."""
        login = await self._login()
        if login is not None and login.kind is Kind.BEARER:
            return f"Bearer {login.secret}"
        if self._known is None:
            return None
        return await self._meet(self._known, scope, login)

    async def meet(self, challenges: Sequence[Challenge], scope: str, *, sent: str | None) -> str:
        """The header that meets a 401. `sent` is what was refused; raises DeniedError where there
        is nothing else to send."""
        offered = {challenge.scheme: challenge for challenge in reversed(challenges)}
        challenge = offered.get("bearer") or offered.get("basic")
        if challenge is None:
            raise self._denied("asks for a login in a way that we do not know")
        login = await self._login()
        if sent is not None:
            await self._forget(challenge, scope, login, sent)
            login = await self._login()
        asked = challenge.parameters.get("scope", "")
        if challenge.scheme == "bearer" and asked and asked != scope and len(asked) < _MAX_SCOPE:
            self._scopes[scope] = asked
            _trim(self._scopes)
        header = await self._meet(challenge, scope, login)
        if header is None or header == sent:
            raise self._denied("refuses our login" if login else "asks for a login")
        self._known = challenge
        return header

    async def close(self) -> None:
        tasks = tuple(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _login(self) -> Login | None:
        if self._credentials is None:
            return None
        try:
            login = await self._credentials.find()
        except CredentialsError as error:
            raise DeniedError(
                f"the login for {self._host} is missing: {error}", host=self._host
            ) from None
        if login is not None:
            self._seen_secrets = (login.secret, login.basic.removeprefix("Basic "))
        return login

    async def _forget(
        self, challenge: Challenge, scope: str, login: Login | None, sent: str
    ) -> None:
        if challenge.scheme == "basic" or (login is not None and login.kind is Kind.BEARER):
            if self._credentials is not None:
                self._credentials.forget()
            return
        key = self._key(challenge, scope, login)
        kept = self._tokens.get(key)
        # Another request may have fetched a new one since.
        if kept is not None and sent == f"Bearer {kept.value}":
            del self._tokens[key]

    async def _meet(self, challenge: Challenge, scope: str, login: Login | None) -> str | None:
        if login is not None and login.kind is Kind.BEARER:
            return f"Bearer {login.secret}"
        if challenge.scheme == "basic":
            return login.basic if login is not None and login.kind is Kind.PASSWORD else None
        return f"Bearer {await self._token(self._key(challenge, scope, login))}"

    def _key(self, challenge: Challenge, scope: str, login: Login | None) -> _Key:
        parameters = challenge.parameters
        return _Key(
            parameters.get("realm", ""),
            parameters.get("service", ""),
            self._scopes.get(scope, scope),
            login,
        )

    async def _token(self, key: _Key) -> str:
        now = self._clock()
        kept = self._tokens.get(key)
        if kept is not None and now < kept.until:
            self._tokens.move_to_end(key)
            return kept.value
        refusal = self._refusals.get(key)
        if refusal is not None:
            if now < refusal.until:
                raise refusal.error.with_traceback(None)
            del self._refusals[key]
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._fetch_and_keep(key))
            task.add_done_callback(lambda done: self._finish(key, done))
        return await asyncio.shield(task)

    def _finish(self, key: _Key, done: "asyncio.Task[str]") -> None:
        self._running.pop(key, None)
        if not done.cancelled():
            done.exception()  # it is seen, though nobody may wait any more

    async def _fetch_and_keep(self, key: _Key) -> str:
        try:
            answer = await self._fetch(key)
        except DeniedError as error:
            if self._credentials is not None:
                self._credentials.forget()
            self._refuse(key, error, _DENIED_SECONDS)
            raise
        except BusyError as error:
            wait = _BUSY_SECONDS if error.retry_after is None else error.retry_after
            self._refuse(key, error, min(wait, _MAX_BUSY_SECONDS))
            raise
        value = answer.token or answer.access_token
        if not value or len(value) > _MAX_TOKEN or not _is_header_text(value):
            raise FailedError(f"the token service of {self._host} gave no token", host=self._host)
        lifetime = answer.expires_in if answer.expires_in is not None else _DEFAULT_LIFETIME
        lifetime = min(max(lifetime, 0.0), _MAX_LIFETIME)
        slack = min(30.0, lifetime / 4)
        self._tokens[key] = _Kept(value, self._clock() + lifetime - slack)
        _trim(self._tokens)
        return value

    def _refuse(self, key: _Key, error: RemoteError, seconds: float) -> None:
        self._refusals[key] = _Refusal(error, self._clock() + seconds)
        _trim(self._refusals)

    async def _fetch(self, key: _Key) -> _Answer:
        try:
            realm = parse_target(key.realm, base=URL())
        except ValueError:
            realm = URL()
        if not realm.absolute or not realm.host:
            raise FailedError(f"{self._host} names no usable token service", host=self._host)
        way = self._gate.check(realm)
        if key.login is not None and not may_have_login(self._gate, realm):
            raise ForbiddenTargetError(
                f"the token service of {self._host} is {host_of(realm)[:255]}, which does not get"
                " its login; if you trust it, list it in auth_hosts",
                host=self._host,
            )
        if key.login is not None and key.login.kind is Kind.IDENTITY:
            return await self._post(realm, way, key, key.login)
        return await self._get(realm, way, key)

    async def _get(self, realm: URL, way: Way, key: _Key) -> _Answer:
        query = [("service", key.service)] if key.service else []
        query += [("scope", scope) for scope in key.scope.split(" ") if scope]
        login = key.login
        if login is not None:
            query.append(("account", login.username))
        url = realm.extend_query(query)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        for _ in range(_MAX_HOPS + 1):
            sent = dict(headers)
            if login is not None and may_have_login(self._gate, url):
                sent["Authorization"] = login.basic
            response = await self._send("GET", url, way, sent)
            location = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or location is None:
                return await self._read(response, url, login)
            response.release()
            try:
                url = parse_target(location, base=url)
            except ValueError as error:
                raise FailedError(
                    f"the token service of {self._host} redirects to {error}", host=self._host
                ) from None
            way = self._gate.check(url)
        raise FailedError(f"the token service of {self._host} redirects too often", host=self._host)

    async def _post(self, realm: URL, way: Way, key: _Key, login: Login) -> _Answer:
        form = {
            "grant_type": "refresh_token",
            "service": key.service,
            "client_id": "homeport",
            "refresh_token": login.secret,
        }
        if key.scope:
            form["scope"] = key.scope
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        response = await self._send("POST", realm, way, headers, form)
        return await self._read(response, realm, login)

    async def _send(
        self,
        method: str,
        url: URL,
        way: Way,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        try:
            return await self._transport.send(method, url, way=way, headers=headers, form=form)
        except ForbiddenTargetError:
            raise self._gate.refuse_address(url) from None

    async def _read(
        self, response: aiohttp.ClientResponse, url: URL, login: Login | None
    ) -> _Answer:
        reader = Reader(host_of(url), self._read_timeout)
        try:
            if response.status == 200:
                # As a whole: all who wait for this token wait for it to end.
                async with asyncio.timeout(self._read_timeout):
                    content = await reader.read_all(response, _MAX_ANSWER)
                return msgspec.json.decode(content, type=_Answer)
            error = await failure_of(
                response,
                reader,
                method="GET",
                what=f"a token for {self._host}",
                secrets=self._seen_secrets,
            )
        except TimeoutError:
            raise TimedOutError(
                f"the token service {reader.host} did not end its answer in"
                f" {self._read_timeout:g} seconds",
                host=reader.host,
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise FailedError(
                f"the token service of {self._host} did not answer with a token", host=reader.host
            ) from None
        finally:
            response.release()
        if isinstance(error, DeniedError):
            who = "the login" if login is not None else "anonymous users"
            raise DeniedError(
                f"the token service {reader.host} of {self._host} denies {who} a token"
                f" (status {error.status})",
                host=reader.host,
                status=error.status,
                detail=error.detail,
            )
        if isinstance(error, BusyError | FailedError):
            raise error
        raise FailedError(str(error), host=reader.host, status=response.status)

    def _denied(self, reason: str) -> DeniedError:
        return DeniedError(f"{self._host} {reason}", host=self._host, status=401)

    @property
    def _host(self) -> str:
        return self._gate.own.authority


def may_have_login(gate: Gate, url: URL) -> bool:
    """Only the registry's own host and those that its owner lists get its login, and over http only
    where the owner wrote http."""
    host = host_of(url)
    if gate.targets.lists_host(host, url.port or 0):
        return True
    if gate.is_own(url):
        return url.scheme == "https" or gate.own.scheme == "http"
    return url.scheme == "https" and host in WELL_KNOWN_REALMS.get(gate.own.host, ())


def _is_header_text(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _trim(table: OrderedDict[Any, Any]) -> None:
    while len(table) > _MAX_KEPT:
        table.popitem(last=False)
