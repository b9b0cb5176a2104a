"""Where docker's clients look for a daemon: sockets, contexts, the environment."""

import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional

from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host

SYSTEM = ("/run/docker.sock", "/var/run/docker.sock")
_WRAPPERS = (
    (".docker/desktop/", "desktop"),
    (".docker/run/", "desktop"),
    (".colima/", "colima"),
    (".config/colima/", "colima"),
    (".orbstack/", "orbstack"),
    (".rd/", "rancher-desktop"),
    (".lima/", "lima"),
    ("/podman/", "podman"),
)
_MOST = 64


class Place(NamedTuple):
    """`source` says who names it; `user` is whose engine it is, -1 for the system's; `named` is
    true where somebody has chosen it, so that its silence is worth a word."""

    address: str
    source: str
    user: int = -1
    named: bool = False

    @property
    def socket(self) -> str:
        """Empty for what is reached otherwise."""
        return self.address[7:] if self.address.startswith("unix://") else ""

    @property
    def wrapper(self) -> str:
        """Which product has its engine in a machine of its own behind this socket."""
        for part, name in _WRAPPERS:
            if part in self.socket:
                return name
        return ""


def find_places(host: Host) -> tuple[Place, ...]:
    """Each once; what somebody has chosen comes first."""
    found: dict[str, Place] = {}
    for place in (*_chosen(host), *_contexts(host), *_sockets(host)):
        key = host.real(place.socket) if place.socket else place.address
        found.setdefault(key, place)
    return tuple(found.values())[:_MOST]


def home_of(host: Host, user: int) -> str:
    """The home folder of a user of the machine."""
    if user in (-1, host.uid):
        return host.home
    for line in (_text(host, "/etc/passwd") or "").splitlines():
        parts = line.split(":")
        if len(parts) > 5 and parts[2] == str(user):
            return parts[5]
    return f"/home/{user}"


def runtime_of(host: Host, user: int) -> str:
    if user == -1:
        return "/run"
    own = host.env.get("XDG_RUNTIME_DIR")
    return own if own and user == host.uid else f"/run/user/{user}"


def user_of(host: Host, socket: str) -> int:
    """Whose engine listens on a socket, by where it lies."""
    found = re.match(r"(?:/var)?/run/user/(\d+)/", socket)
    if found:
        return int(found.group(1))
    own = host.env.get("XDG_RUNTIME_DIR")
    mine = own and posixpath.dirname(socket) == own.rstrip("/")
    return host.uid if mine or socket.startswith(f"{host.home}/") else -1


def _chosen(host: Host) -> Iterator[Place]:
    address = host.env.get("DOCKER_HOST")
    if address:
        yield _place(host, address, "DOCKER_HOST", named=True)


def _sockets(host: Host) -> Iterator[Place]:
    for path in SYSTEM:
        yield Place(f"unix://{path}", "the system's socket")
    users = {host.uid}
    if host.uid == 0:
        users |= {int(name) for name in host.list("/run/user") if name.isdigit()}
    for user in sorted(users):
        yield Place(f"unix://{runtime_of(host, user)}/docker.sock", "a rootless engine", user)
    for path in (".docker/desktop/docker.sock", ".docker/run/docker.sock"):
        yield Place(f"unix://{host.home}/{path}", "Docker Desktop", host.uid)


def _contexts(host: Host) -> Iterator[Place]:
    """Every context; the one in use is named so."""
    folder = host.env.get("DOCKER_CONFIG") or f"{host.home}/.docker"
    used = host.env.get("DOCKER_CONTEXT") or _read(host, f"{folder}/config.json").get(
        "currentContext"
    )
    for name in host.list(f"{folder}/contexts/meta")[:_MOST]:
        meta = _read(host, f"{folder}/contexts/meta/{name}/meta.json")
        title = meta.get("Name")
        end = meta.get("Endpoints")
        docker = end.get("docker") if isinstance(end, dict) else None
        address = docker.get("Host") if isinstance(docker, dict) else None
        if not isinstance(title, str) or not isinstance(address, str) or not address:
            continue
        if hashlib.sha256(title.encode("utf-8", "surrogateescape")).hexdigest() != name:
            continue
        use = ", in use" if title == used else ""
        yield _place(host, address, f"the context {title}{use}", named=True)


def _place(host: Host, address: str, source: str, *, named: bool) -> Place:
    user = user_of(host, address[7:]) if address.startswith("unix://") else -1
    return Place(address, source, user, named)


def _read(host: Host, path: str) -> Mapping[str, Any]:
    try:
        found = json.loads(_text(host, path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(host: Host, path: str) -> Optional[str]:
    try:
        return host.text(path)
    except EnrollError:
        return None
