"""What keeps Podman and its kin from the mirror although their files name it."""

import json
from collections.abc import Iterator, Sequence

from homeport.enroll.engines.containers_conf import SYSTEM, Layout
from homeport.enroll.engines.door import Door, normalise
from homeport.enroll.errors import EnrollError
from homeport.enroll.formats.toml_read import get_key, parse
from homeport.enroll.host import Host
from homeport.enroll.model import Finding

_MAIN = "CONTAINERS_REGISTRIES_CONF"
_FOLDER = "CONTAINERS_REGISTRIES_CONF_DIR"


def find_hindrances(host: Host, kind: str, layout: Layout) -> Iterator[Finding]:
    """A service elsewhere, an environment that another client does not follow, users' own files."""
    if kind == "podman":
        yield from _find_remote(host)
    if host.env.get(_MAIN) and kind in ("podman", "buildah"):
        words = f"{_MAIN} is set here: other sessions may read other files"
        yield Finding("environment", words, "enroll where it is not set, too")
    elif host.env.get(_MAIN) and kind == "skopeo":
        words = f"Skopeo does not follow {_MAIN}; it reads {layout.main}"
        yield Finding("environment", words, "give it --registries-conf, or unset the variable")
    if host.env.get(_FOLDER) and kind != "crio":
        read = " and ".join(layout.folders)
        words = f"{_FOLDER} is set, and not followed: drop-ins are read in {read}"
        yield Finding("environment", words, "unset the variable")
    if not layout.user:
        for home in _homes(host):
            path = f"{home}/.config/containers/registries.conf"
            if host.exists(path):
                words = f"{home}'s user reads this file and none of {SYSTEM}'s"
                yield Finding("own-configuration", words, "enroll as that user, too", path)


def find_logins(host: Host, registries: Sequence[str], doors: Sequence[Door]) -> Iterator[Finding]:
    """Logins at a registry are not sent to the mirror: it must have one of its own."""
    known = set(_logins(host))
    found = sorted(known.intersection(registries))
    mirrors = sorted({door.host for door in doors})
    if found and not known.intersection(mirrors):
        words = f"the login at {', '.join(found)} is not sent to the mirror"
        hint = f"give the mirror its own credentials, or log in to {mirrors[0]}"
        yield Finding("own-login", words, hint)


def _find_remote(host: Host) -> Iterator[Finding]:
    hint = "enroll on the machine where the service runs (podman machine ssh)"
    for name in ("CONTAINER_HOST", "CONTAINER_CONNECTION"):
        if host.env.get(name):
            words = f"{name} is set: podman uses a service elsewhere, which has files of its own"
            yield Finding("podman-remote", words, hint, severity="warning")
    for folder in (SYSTEM, f"{host.home}/.config/containers"):
        path = f"{folder}/containers.conf"
        try:
            text = host.text(path)
            values = parse(text, path).values if text else {}
        except EnrollError:
            continue
        remote = get_key(values, ("engine", "remote"))[1] is True
        if remote or get_key(values, ("engine", "active_service"))[1]:
            words = "podman uses a service elsewhere, which has files of its own"
            yield Finding("podman-remote", words, hint, path, severity="warning")


def _homes(host: Host) -> Iterator[str]:
    yield from (f"/home/{name}" for name in host.list("/home"))
    if host.home.startswith("/root"):
        yield host.home


def _logins(host: Host) -> Iterator[str]:
    run = host.env.get("XDG_RUNTIME_DIR") or f"/run/user/{host.uid}"
    named = host.env.get("REGISTRY_AUTH_FILE")
    places = (named,) if named else (
        f"{run}/containers/auth.json",
        f"/run/containers/{host.uid}/auth.json",
        f"{host.home}/.config/containers/auth.json",
        f"{host.home}/.docker/config.json",
    )  # fmt: skip
    for path in places:
        try:
            values = json.loads(host.text(path) or "{}")
            names = list(values.get("auths", {})) if isinstance(values, dict) else []
        except (EnrollError, ValueError, RecursionError, TypeError):
            continue
        for name in names:
            yield normalise(name.partition("://")[2].partition("/")[0] or name.partition("/")[0])
