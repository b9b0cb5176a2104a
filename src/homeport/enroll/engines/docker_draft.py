"""What gathers while the plan of a Docker daemon is made."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Optional
from urllib.parse import urlsplit

from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.model import Engine, FileChange, Finding, Limit, Request

HUB = "docker.io"
ALL = ("*", "_default")
HOSTS_SINCE = 28
"""The release from which the containerd image store reads hosts.toml below certs.d."""

_REGISTRY = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?")


@dataclass
class Draft:
    """What gathers while a plan is made."""

    host: Host
    engine: Engine
    request: Request
    changes: "list[FileChange]" = field(default_factory=list)
    findings: "list[Finding]" = field(default_factory=list)
    limits: "list[Limit]" = field(default_factory=list)
    restart: bool = False
    proven: bool = True

    def add(self, change: Optional[FileChange]) -> None:
        if change is not None:
            self.changes.append(change)

    @property
    def release(self) -> int:
        return release_of(self.engine)

    @property
    def others(self) -> "list[str]":
        """Names of folders in certs.d. Raises EnrollError for what is no registry's name."""
        found = []
        for name in self.request.registries:
            if name != HUB and name not in ALL and not _REGISTRY.fullmatch(name):
                raise EnrollError(f"{name!r} is no name of a registry", hint="write HOST[:PORT]")
            if name != HUB:
                found.append("_default" if name in ALL else name)
        return found

    @property
    def hub(self) -> bool:
        return HUB in self.request.registries

    @property
    def has_hosts(self) -> bool:
        """Whether the daemon reads hosts.toml."""
        return self.engine.facts.get("store") == "containerd" and self.release >= HOSTS_SINCE


def release_of(engine: Engine) -> int:
    """The first number of the version; 0 if that is unknown."""
    head = engine.version.partition(".")[0]
    return int(head) if head.isdigit() else 0


def reload_command(engine: Engine) -> "tuple[str, ...]":
    manager = engine.facts.get("manager")
    if manager == "systemd":
        return ("systemctl", "reload", "docker")
    if manager == "systemd-user":
        return ("systemctl", "--user", "reload", "docker")
    return ("kill", "-HUP", str(engine.facts.get("pid") or "PID"))


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
