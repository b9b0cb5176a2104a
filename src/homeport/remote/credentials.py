"""Where the login of a registry comes from: settings, Docker's config.json, credential helpers.

Everything is read when it is needed and forgotten after a while, or when it was refused: a password
may be changed while we run. Secrets go through files and pipes, never through argv.
"""

import asyncio
import os
from base64 import b64decode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from homeport.remote.helper import HelperError, ask_helper
from homeport.remote.login import Kind, Login, login_of

_KEEP_SECONDS = 300.0
_MAX_FILE = 1024 * 1024
_HUB_HOSTS = frozenset(("docker.io", "index.docker.io", "registry-1.docker.io"))
_HUB_KEY = "https://index.docker.io/v1/"


class CredentialsError(Exception):
    """The login cannot be had; the text names the place, never the secret."""


class Source(Protocol):
    async def find(self) -> Login | None:
        """The login, None where there is none; raises CredentialsError."""


class Credentials:
    """The login of one registry, kept for five minutes. `clock` gives seconds."""

    def __init__(self, source: Source, *, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: tuple[float, Login | None] | None = None

    async def find(self) -> Login | None:
        """Raises CredentialsError, which is not kept."""
        async with self._lock:
            if self._kept is not None and self._clock() < self._kept[0]:
                return self._kept[1]
            login = await self._source.find()
            self._kept = self._clock() + _KEEP_SECONDS, login
            return login

    def forget(self) -> None:
        """Read it again next time: it was refused."""
        self._kept = None


class Static:
    """A user of the settings; the password is in a file or an environment variable."""

    def __init__(
        self,
        username: str,
        *,
        file: str | None = None,
        variable: str | None = None,
        env: Mapping[str, str],
    ) -> None:
        self._username = username
        self._file = file
        self._variable = variable
        self._env = env

    async def find(self) -> Login | None:
        if self._file is not None:
            content = await asyncio.to_thread(_read, self._file)
            place = self._file
            try:
                password = content.decode().rstrip("\r\n")
            except UnicodeDecodeError:
                raise CredentialsError(f"{place} is not text") from None
        else:
            place = self._variable or ""
            password = self._env.get(place, "")
        if not password:
            raise CredentialsError(f"there is no password in {place}")
        try:
            return login_of(self._username, password)
        except ValueError as error:
            raise CredentialsError(f"{place} holds {error}") from None


class Helper:
    """A program `docker-credential-NAME`, or a path of one. `server` is what it is asked for."""

    def __init__(self, name: str, server: str, *, env: Mapping[str, str]) -> None:
        self._name = name
        self._server = server
        self._env = env

    async def find(self) -> Login | None:
        try:
            return await ask_helper(self._name, self._server, env=self._env)
        except HelperError as error:
            raise CredentialsError(str(error)) from None


class _Entry(Struct, rename=str.lower):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""
    registrytoken: str = ""


class _Config(Struct, rename="camel"):
    auths: dict[str, _Entry | None] = {}
    creds_store: str = ""
    cred_helpers: dict[str, str] = {}


class DockerConfig:
    """Docker's config.json (docker login, Credential helpers) or containers' auth.json, whose keys
    may go on with a path (containers-auth.json(5)): the longest that fits wins.

    `authority` is the registry's `host[:port]`, `prefix` the path of its names.
    """

    def __init__(
        self, path: str, authority: str, *, prefix: str = "", env: Mapping[str, str]
    ) -> None:
        self._path = path
        self._keys = _keys(authority, prefix)
        self._server = _HUB_KEY if authority in _HUB_HOSTS else authority
        self._env = env

    async def find(self) -> Login | None:
        content = await asyncio.to_thread(_read, self._path)
        try:
            config = msgspec.json.decode(content, type=_Config)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # The error's own text could quote the file.
            raise CredentialsError(f"{self._path} is not a config.json of Docker") from None
        helpers = {_normal(key): name for key, name in config.cred_helpers.items()}
        entries = {_normal(key): entry for key, entry in config.auths.items()}
        for key in self._keys:
            helper = helpers.get(key) or (config.creds_store if key in entries else "")
            if helper:
                return await Helper(helper, self._server, env=self._env).find()
            entry = entries.get(key)
            if entry is not None:
                return self._login(entry)
        if config.creds_store:
            return await Helper(config.creds_store, self._server, env=self._env).find()
        return None

    def _login(self, entry: _Entry) -> Login | None:
        if entry.registrytoken:
            return Login(kind=Kind.BEARER, secret=entry.registrytoken)
        if entry.identitytoken:
            return Login(kind=Kind.IDENTITY, secret=entry.identitytoken)
        username, password = entry.username, entry.password
        try:
            if entry.auth:
                username, _, password = b64decode(entry.auth).decode().partition(":")
            return login_of(username, password.rstrip("\0"))
        except ValueError:  # binascii.Error and UnicodeDecodeError are
            raise CredentialsError(f"an entry of {self._path} cannot be read") from None


def _keys(authority: str, prefix: str) -> tuple[str, ...]:
    """The keys that stand for a registry, the most telling first."""
    if authority in _HUB_HOSTS:
        return ("index.docker.io", "docker.io", "registry-1.docker.io")
    parts = prefix.strip("/").split("/") if prefix.strip("/") else []
    paths = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return (*(f"{authority}/{path}" for path in paths), authority)


def _normal(key: str) -> str:
    """A key without scheme and the path of the API: `https://index.docker.io/v1/` is a host."""
    text = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    host, _, path = text.partition("/")
    return host.lower() if path in ("", "v1", "v2") else f"{host.lower()}/{path}"


def _read(path: str) -> bytes:
    try:
        with Path(os.path.expanduser(path)).open("rb") as file:  # noqa: PTH111
            content = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise CredentialsError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > _MAX_FILE:
        raise CredentialsError(f"{path} is too large")
    return content
