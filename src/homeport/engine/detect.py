"""Find the container engine that this user means, as docker and podman look for theirs."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from homeport.engine.api import Engine, EngineError

_PATIENCE = 2.0
"""Seconds for an engine to say that it is there."""


class Candidate(Struct, frozen=True, kw_only=True):
    """A place to look: `source` says who named it. `certificates` is the folder that TLS needs."""

    source: str
    address: str
    certificates: str | None = None


class Unavailable(Struct, frozen=True, kw_only=True):
    """No engine answered: each place that was tried, and why it is not one."""

    tried: tuple[tuple[Candidate, str], ...]

    def error(self) -> EngineError:
        """The exit-3 error that lists all that was tried."""
        lines = "".join(
            f"\n  {candidate.address} ({candidate.source}): {reason}"
            for candidate, reason in self.tried
        )
        return EngineError.of(
            f"no container engine answers; tried:{lines}",
            code="engine-missing",
            hint="start Docker or Podman (podman system service), or set DOCKER_HOST",
        )


def detect(env: Mapping[str, str], address: str | None = None) -> Engine | Unavailable:
    """The first engine that answers, or what was tried.

    `address` is the user's own setting. It, `DOCKER_HOST` and `CONTAINER_HOST` are decisions: with
    one of them no other place is looked at.
    """
    from homeport.engine.docker import connect

    tried: list[tuple[Candidate, str]] = []
    for candidate in candidates(env, address):
        try:
            engine = connect(candidate.address, candidate.certificates)
            engine.ping(_PATIENCE)
        except EngineError as error:
            tried.append((candidate, str(error)))
        else:
            return engine
    return Unavailable(tried=tuple(tried))


def candidates(env: Mapping[str, str], address: str | None = None) -> tuple[Candidate, ...]:
    """The places to look, in order, each once."""
    certificates = _certificates(env)
    for source, named in (
        ("settings", address),
        ("DOCKER_HOST", env.get("DOCKER_HOST")),
        ("CONTAINER_HOST", env.get("CONTAINER_HOST")),
    ):
        if named:
            return (Candidate(source=source, address=named, certificates=certificates),)
    found: dict[str, Candidate] = {}
    for candidate in (*_contexts(env), *_sockets(env)):
        found.setdefault(candidate.address, candidate)
    return tuple(found.values())


def _sockets(env: Mapping[str, str]) -> Iterator[Candidate]:
    runtime = env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    for source, path in (
        ("Docker", "/var/run/docker.sock"),
        ("rootless Docker", f"{runtime}/docker.sock"),
        ("rootless Podman", f"{runtime}/podman/podman.sock"),
        ("Podman", "/run/podman/podman.sock"),
    ):
        yield Candidate(source=source, address=f"unix://{path}")


def _contexts(env: Mapping[str, str]) -> Iterator[Candidate]:
    """The docker context in use, unless it is the default one (docs.docker.com, "contexts")."""
    folder = env.get("DOCKER_CONFIG") or (f"{env['HOME']}/.docker" if env.get("HOME") else "")
    if not folder:
        return
    name = env.get("DOCKER_CONTEXT") or _text(_read(Path(folder, "config.json")), "currentContext")
    if not name or name == "default":
        return
    from hashlib import sha256

    key = sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    meta = _read(Path(folder, "contexts", "meta", key, "meta.json"))
    endpoint = _mapping(_mapping(meta.get("Endpoints")).get("docker"))
    host = _text(endpoint, "Host")
    if host:
        tls = Path(folder, "contexts", "tls", key, "docker")
        yield Candidate(
            source=f"docker context {name}",
            address=host,
            certificates=str(tls) if tls.is_dir() else None,
        )


def _certificates(env: Mapping[str, str]) -> str | None:
    """The folder for TLS, if the environment asks for it as docker's clients understand it."""
    folder = env.get("DOCKER_CERT_PATH")
    if folder or not env.get("DOCKER_TLS_VERIFY"):
        return folder or None
    return env.get("DOCKER_CONFIG") or f"{env.get('HOME', '')}/.docker"


def _read(path: Path) -> Mapping[str, Any]:
    """A JSON object from a file of docker's; empty for one that is not there or broken."""
    import json

    try:
        return _mapping(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""
