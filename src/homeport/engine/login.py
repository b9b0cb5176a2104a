"""The login of a registry for a pull, from where GitLab Runner and the engines' own clients look.

In the Runner's order (docs/configuration/advanced-configuration, "Use a private container
registry"): `DOCKER_AUTH_CONFIG` of the job, then of the environment; Docker's config.json with its
credential helpers, and Podman's auth.json; `CI_REGISTRY_*` and `CI_DEPENDENCY_PROXY_*` of the job.
The first that knows the registry wins, and within one the key that names most of the image's path
(containers-auth.json(5)). Secrets travel through files and pipes, never through an argument list.
"""

import json
import re
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from homeport.engine.api import Login

HUB = "docker.io"
HUB_SERVER = "https://index.docker.io/v1/"
_HUB_NAMES = frozenset((HUB, "index.docker.io", "registry-1.docker.io"))
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HELPER_SECONDS = 20.0
_LARGEST_FILE = 1024 * 1024
_LARGEST_ANSWER = 64 * 1024
_NOT_FOUND = b"credentials not found"
_REGISTRIES = (
    ("CI_REGISTRY", "CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"),
    ("CI_DEPENDENCY_PROXY_SERVER", "CI_DEPENDENCY_PROXY_USER", "CI_DEPENDENCY_PROXY_PASSWORD"),
)


class LoginError(Exception):
    """A place of logins cannot be used; the text names the place, never what it holds."""


def find_login(
    reference: str, job: Mapping[str, str], env: Mapping[str, str], warn: Callable[[str], None]
) -> Login | None:
    """The login for an image of a job with the variables `job`; `env` is the user's environment.

    A place that cannot be used is told to `warn`, and the next one is asked.
    """
    registry, path = split_registry(reference)
    for source in _sources(registry, path, job, env):
        try:
            login = source()
        except LoginError as error:
            warn(f"WARNING: {error}")
            continue
        if login is not None:
            return login
    return None


def split_registry(reference: str) -> tuple[str, str]:
    """The registry of an image's name (`docker.io` where none is written) and its repository."""
    name = reference.partition("@")[0]
    head, slash, rest = name.partition("/")
    if not slash or not ("." in head or ":" in head or head == "localhost"):
        head, rest = HUB, name
    folder, slash, last = rest.rpartition("/")
    return (HUB if head in _HUB_NAMES else head.lower()), folder + slash + last.partition(":")[0]


def _sources(
    registry: str, path: str, job: Mapping[str, str], env: Mapping[str, str]
) -> Iterator[Callable[[], Login | None]]:
    for place, text in (
        ("DOCKER_AUTH_CONFIG of the job", job.get("DOCKER_AUTH_CONFIG")),
        ("DOCKER_AUTH_CONFIG of the environment", env.get("DOCKER_AUTH_CONFIG")),
    ):
        if text:
            content = text.encode("utf-8", "surrogateescape")
            yield lambda place=place, content=content: _from_config(  # type: ignore[misc]
                place, content, registry, path, env
            )
    for file in _files(env):
        yield lambda file=file: _from_file(file, registry, path, env)  # type: ignore[misc]
    yield lambda: _from_variables(registry, job)


def _files(env: Mapping[str, str]) -> Iterator[Path]:
    """Docker's file, then those of containers-auth.json(5)."""
    home = env.get("HOME")
    if env.get("DOCKER_CONFIG"):
        yield Path(env["DOCKER_CONFIG"], "config.json")
    elif home:
        yield Path(home, ".docker", "config.json")
    if env.get("REGISTRY_AUTH_FILE"):
        yield Path(env["REGISTRY_AUTH_FILE"])
        return
    if env.get("XDG_RUNTIME_DIR"):
        yield Path(env["XDG_RUNTIME_DIR"], "containers", "auth.json")
    config = env.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    if config:
        yield Path(config, "containers", "auth.json")


def _from_variables(registry: str, job: Mapping[str, str]) -> Login | None:
    for host, user, password in _REGISTRIES:
        named = _normal(job.get(host, "")).partition("/")[0]
        if named == registry and job.get(user) and job.get(password):
            return Login(server=named, username=job[user], password=job[password])
    return None


def _from_file(file: Path, registry: str, path: str, env: Mapping[str, str]) -> Login | None:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LoginError(f"{file} cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST_FILE:
        raise LoginError(f"{file} is too large")
    return _from_config(str(file), content, registry, path, env)


def _from_config(
    place: str, content: bytes, registry: str, path: str, env: Mapping[str, str]
) -> Login | None:
    """The login of a config.json: `auths`, `credHelpers`, `credsStore`."""
    try:
        config = json.loads(content)
    except (ValueError, RecursionError):
        # The error's own words could quote a secret.
        raise LoginError(f"{place} is not a config.json of Docker") from None
    entries = {_normal(key): value for key, value in _mapping(config, "auths").items()}
    helpers = {_normal(key): name for key, name in _mapping(config, "credHelpers").items()}
    store = config.get("credsStore") if isinstance(config, dict) else None
    server = HUB_SERVER if registry == HUB else registry
    for key in _keys(registry, path):
        helper = helpers.get(key) or (store if key in entries else None)
        if helper:
            return _ask(place, helper, server, env)
        if isinstance(entries.get(key), dict):
            return _login(place, entries[key], server)
    return _ask(place, store, server, env) if store else None


def _keys(registry: str, path: str) -> Iterator[str]:
    """The keys that stand for an image, the most telling first."""
    parts = path.split("/")
    for count in range(len(parts), 0, -1):
        yield f"{registry}/{'/'.join(parts[:count])}"
    yield registry


def _normal(key: str) -> str:
    """A key without its scheme and the path of the API: `https://index.docker.io/v1/` is a host."""
    text = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    host, _, path = text.partition("/")
    host = HUB if host.lower() in _HUB_NAMES else host.lower()
    return host if path in ("", "v1", "v2") else f"{host}/{path}"


def _login(place: str, entry: Mapping[str, Any], server: str) -> Login | None:
    values = {key: value for key, value in entry.items() if isinstance(value, str)}
    if values.get("identitytoken"):
        return Login(server=server, identity_token=values["identitytoken"])
    username, password = values.get("username", ""), values.get("password", "")
    if values.get("auth"):
        try:
            username, _, password = b64decode(values["auth"]).decode().partition(":")
        except ValueError:
            raise LoginError(f"an entry of {place} cannot be read") from None
    password = password.rstrip("\0")
    return Login(server=server, username=username, password=password) if username else None


def _ask(place: str, helper: Any, server: str, env: Mapping[str, str]) -> Login | None:
    """Ask `docker-credential-NAME get`, which reads the server and writes a login as JSON."""
    if not isinstance(helper, str) or _HELPER.fullmatch(helper) is None:
        raise LoginError(f"{place} names no credential helper that could be")
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"],
            input=f"{server}\n".encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(env),
            timeout=_HELPER_SECONDS,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise LoginError(f"{program} did not answer in {_HELPER_SECONDS:g} seconds") from None
    except OSError as error:
        raise LoginError(f"{program} cannot be started: {error.strerror}") from None
    if done.returncode != 0:
        if _NOT_FOUND in done.stdout.lower():
            return None
        raise LoginError(f"{program} failed with status {done.returncode}")
    try:
        told = json.loads(done.stdout[:_LARGEST_ANSWER])
        username, secret = str(told["Username"]), str(told["Secret"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise LoginError(f"{program} did not answer with a login") from None
    if username == "<token>":
        return Login(server=server, identity_token=secret)
    return Login(server=server, username=username, password=secret)


def _mapping(config: Any, key: str) -> Mapping[str, Any]:
    value = config.get(key) if isinstance(config, dict) else None
    return value if isinstance(value, dict) else {}
