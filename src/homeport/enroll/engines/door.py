"""Where a mirror has a registry, for engines that name one mirror for each registry.

Docker Hub has a door of its own (`hub_url`); every other registry is below `url`, by its name or,
at a foreign mirror, by the path that `Mirror.paths` gives.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Optional
from urllib.parse import urlsplit

from homeport.enroll.engines.docker_proxies import capturing
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.model import FileState, Finding, Limit, Mirror, MirrorKind, Request

HUB = "docker.io"
_HUB_NAMES = ("index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")

_FOREIGN = (MirrorKind.HARBOR, MirrorKind.NEXUS, MirrorKind.DISTRIBUTION)


@dataclass(frozen=True)
class Door:
    """`base` is `http(s)://HOST[:PORT]`, `path` what stands before names (no slash around it)."""

    registry: str
    base: str
    path: str

    @property
    def host(self) -> str:
        return self.base.partition("://")[2]

    @property
    def plain(self) -> bool:
        return self.base.startswith("http://")

    @property
    def location(self) -> str:
        """HOST[:PORT][/PATH]."""
        return f"{self.host}/{self.path}" if self.path else self.host


def normalise(registry: str) -> str:
    """The name by which engines know a registry."""
    name = registry.strip().rstrip("/").lower()
    return HUB if name in _HUB_NAMES else name


def find_door(mirror: Mirror, registry: str, *, by_name: bool = True) -> Door:
    """`by_name` False: the engine says the registry's name itself (containerd's `?ns=`), and only
    a foreign mirror needs a path. Raises EnrollError for a URL that is none."""
    own = mirror.paths.get(registry)
    url = mirror.hub_url if registry == HUB and own is None else mirror.url
    base, path = _split(url)
    if own is not None:
        path = f"{path}/{own.strip('/')}"
    elif registry != HUB and by_name:
        path = f"{path}/{registry.replace(':', '_')}"
    return Door(registry, base, path.strip("/"))


def find_doors(request: Request, *, by_name: bool) -> tuple[tuple[Door, ...], tuple[Limit, ...]]:
    """The door of each registry that is asked for, and which have none, and why."""
    doors: list[Door] = []
    limits: list[Limit] = []
    mirror = request.mirror
    for registry in dict.fromkeys(map(normalise, request.registries)):
        what = f"use the mirror for {registry}"
        if "*" in registry:
            why = "a mirror's name cannot follow the subdomain that was asked for"
            limits.append(Limit(what, why, "name each registry"))
        elif registry != HUB and mirror.kind in _FOREIGN and registry not in mirror.paths:
            why = "it is not known under which path this mirror has it"
            limits.append(Limit(what, why, "give the path of its proxy project or repository"))
        elif registry in (urlsplit(mirror.url).netloc, urlsplit(mirror.hub_url).netloc):
            limits.append(Limit(what, "it is the mirror itself"))
        else:
            doors.append(find_door(mirror, registry, by_name=by_name))
    return tuple(doors), tuple(limits)


def find_proxies(doors: Iterable[Door], proxies: Mapping[str, str]) -> Iterator[Finding]:
    """Doors that would be reached through a proxy, which seldom knows the way back inside."""
    for base in sorted({door.base for door in doors}):
        proxy = capturing(base, proxies)
        if proxy is not None:
            host = urlsplit(base).hostname or ""
            name = proxy.rpartition("@")[2]  # never what may be a password
            words = f"{base} would be reached through the proxy {name}"
            yield Finding("proxy", words, f"add {host} to NO_PROXY", severity="warning")


def is_asked(request: Request, kind: str) -> bool:
    """Whether the request names this kind, or one of its engines, or none at all."""
    return not request.engines or is_named(request, kind)


def is_named(request: Request, kind: str) -> bool:
    return any(name.partition(":")[0] == kind for name in request.engines)


def upstream_of(registry: str) -> str:
    """The URL of the registry itself; on this machine it is asked without TLS, as engines do."""
    if registry == HUB:
        return "https://registry-1.docker.io"
    local = registry.partition(":")[0] == "localhost" or registry.startswith("127.")
    return f"{'http' if local else 'https'}://{registry}"


def file_state(host: Host, content: str, before: Optional[FileState] = None) -> FileState:
    """A file of ours: readable for all, and of the owner that it had."""
    if before is not None:
        return FileState(content, before.mode, before.uid, before.gid)
    return FileState(content, 0o644, host.uid, 0 if host.uid == 0 else os.getgid())


def _split(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    odd = parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None
    if odd or parts.query or parts.fragment:
        hint = "write http(s)://HOST[:PORT][/PATH]"
        raise EnrollError("the mirror's URL is not one that engines can be given", hint=hint)
    return f"{parts.scheme}://{parts.netloc}", parts.path.strip("/")
