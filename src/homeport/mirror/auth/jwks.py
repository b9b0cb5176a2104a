"""An issuer's public keys: fetched when needed, kept over outages, never asked for too often."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from homeport.mirror.auth.private_file import private_folder, replace_private
from homeport.mirror.model.config import IssuerConfig
from homeport.mirror.policy.networks import is_local

_LOG = logging.getLogger("homeport.mirror.auth")

FRESH_FOR = 3600.0
"""Then they are asked for again, while the known ones still serve."""
KEPT_FOR = 7 * 86_400.0
"""How long an issuer may be away before its old keys no longer prove anything."""
ASK_EVERY = 30.0
"""No more often, however many tokens name a key that nobody knows."""
_FOLDER = "jwks"
_MAX_KEYS = 64
_MIN_RSA_BITS = 2048

Fetch = Callable[[str, str | None], Awaitable[bytes]]
"""(URL, path of a CA file) → body. Raises `IssuerUnavailableError`."""


class IssuerUnavailableError(Exception):
    """Its keys cannot be had now; `str()` names host and cause, no secrets."""


class _Saved(Struct, frozen=True):
    fetched: float
    keys: list[dict[str, Any]]


class KeySet:
    """The keys of one issuer. One fetch at a time, whoever waits for it."""

    def __init__(
        self, config: IssuerConfig, *, data: Path, fetch: Fetch, clock: Callable[[], float]
    ) -> None:
        self.config = config
        name = hashlib.sha256(f"{config.issuer}\n{config.jwks_url}".encode()).hexdigest()[:32]
        self._data = data
        self._file = f"{name}.json"
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str | None, Any] = {}
        self._fetched: float | None = None
        self._asked: float | None = None
        self._failure: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._restored = False

    async def key(self, kid: str | None) -> Any | None:
        """A `jwt.PyJWK`, None where the issuer has no such key. Without `kid`, its only key.
        Raises IssuerUnavailableError where that cannot be known."""
        if not self._restored:
            await self._restore()
        age = self._age()
        found = self._find(kid) if age < KEPT_FOR else None
        if found is not None:
            if age > FRESH_FOR and self._may_ask():
                self._start()
            return found
        if self._task is not None or self._may_ask():
            await asyncio.shield(self._start())
            found = self._find(kid) if self._age() < KEPT_FOR else None
        if found is None and self._failure is not None:
            raise IssuerUnavailableError(self._failure)
        return found

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _age(self) -> float:
        return float("inf") if self._fetched is None else abs(self._clock() - self._fetched)

    def _find(self, kid: str | None) -> Any | None:
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    def _may_ask(self) -> bool:
        return self._asked is None or abs(self._clock() - self._asked) >= ASK_EVERY

    def _start(self) -> asyncio.Task[None]:
        if self._task is None:
            self._asked = self._clock()
            self._task = asyncio.get_running_loop().create_task(self._refresh())
            self._task.add_done_callback(self._ended)
        return self._task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("the keys of %s: %r", self.config.issuer, error)

    async def _refresh(self) -> None:
        try:
            content = await self._fetch(await self._url(), self.config.ca)
            listed = _listed(content, urlsplit(self.config.issuer).netloc)
        except IssuerUnavailableError as error:
            self._failure = str(error)
            _LOG.warning("the keys of %s cannot be had: %s", self.config.issuer, error)
            return
        self._failure = None
        self._fetched = self._clock()
        self._keys = _usable(listed)
        saved = msgspec.json.encode(_Saved(self._fetched, listed))
        try:
            await asyncio.to_thread(self._save, saved)
        except OSError as error:
            _LOG.warning("the keys of %s are not kept: %s", self.config.issuer, error)

    async def _url(self) -> str:
        config = self.config
        if config.jwks_url is not None:
            return config.jwks_url
        well_known = f"{config.issuer.rstrip('/')}/.well-known/openid-configuration"
        content = await self._fetch(well_known, config.ca)
        host = urlsplit(config.issuer).netloc
        try:
            found = msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError):
            raise IssuerUnavailableError(f"{host}: its configuration is no JSON") from None
        url = found.get("jwks_uri")
        # OpenID Connect Discovery 4.3: it must speak for the issuer that was asked.
        if found.get("issuer") != config.issuer or not isinstance(url, str) or not may_fetch(url):
            raise IssuerUnavailableError(f"{host}: its configuration is not that of this issuer")
        return url

    def _save(self, content: bytes) -> None:
        replace_private(private_folder(self._data, _FOLDER) / self._file, content)

    async def _restore(self) -> None:
        self._restored = True
        path = self._data / _FOLDER / self._file
        try:
            saved = msgspec.json.decode(await asyncio.to_thread(path.read_bytes), type=_Saved)
        except (OSError, msgspec.MsgspecError, RecursionError):
            return
        if self._fetched is None:
            self._fetched, self._keys = saved.fetched, _usable(saved.keys)


def may_fetch(url: str) -> bool:
    """https, or http from this very machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" or (
        parts.scheme == "http" and (host == "localhost" or is_local(host))
    )


def _listed(content: bytes, host: str) -> list[dict[str, Any]]:
    try:
        keys = msgspec.json.decode(content, type=dict[str, Any])["keys"]
        return [key for key in keys if isinstance(key, dict)][:_MAX_KEYS]
    except (msgspec.MsgspecError, RecursionError, KeyError, TypeError):
        raise IssuerUnavailableError(f"{host}: it sent no set of keys") from None


def _usable(listed: list[dict[str, Any]]) -> dict[str | None, Any]:
    """Public keys for signatures by their id. A symmetric one in public is no key at all."""
    import jwt

    keys: dict[str | None, Any] = {}
    for values in listed:
        kid = values.get("kid")
        if values.get("kty") not in ("RSA", "EC", "OKP") or values.get("use", "sig") != "sig":
            continue
        if kid is not None and not isinstance(kid, str):
            continue
        try:
            key = jwt.PyJWK(values)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        if getattr(key.key, "key_size", _MIN_RSA_BITS) < _MIN_RSA_BITS and values["kty"] == "RSA":
            continue
        keys[kid] = key
    return keys
