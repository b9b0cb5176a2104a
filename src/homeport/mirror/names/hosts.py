"""Names of registries as clients write them: Docker Hub's other names, ports, Host headers."""

import re

from homeport.mirror.model.config import DOCKER_HUB

MAX_HOST = 255
HUB_SPELLINGS = ("index.docker.io", "registry-1.docker.io")
"""Hosts that are Docker Hub too; engines fold the first one themselves, containerd neither."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]{{2,45}}\])(?::[0-9]{{1,5}})?")


def is_host(text: str) -> bool:
    """Whether the text is `host` or `host:port` in lower case (IPv6 addresses in brackets)."""
    return len(text) <= MAX_HOST and _HOST.fullmatch(text) is not None


def canonical_host(text: str) -> str:
    """A registry's name as upstreams are known by: lower case, no final dot, one Docker Hub."""
    host = text.lower().rstrip(".")
    return DOCKER_HUB if host in HUB_SPELLINGS else host


def path_form(host: str) -> str:
    """How a host stands in a path. The grammar of names has no colon, so that no client sends
    `registry.corp:5000/app`: it is written `registry.corp_5000/app`, which no host is called."""
    return host.replace(":", "_")


def without_port(host: str) -> str:
    """The host of a Host header; brackets of an IPv6 address stay."""
    head, colon, port = host.rpartition(":")
    return head if colon and port.isdigit() and not head.endswith(":") else host


def looks_like_host(component: str) -> bool:
    """What tells a registry from a user's name at the start of a reference (the rule of Docker's
    reference grammar; a colon cannot get here)."""
    return "." in component or component == "localhost"


def may_be_hub_name(prefix: str) -> bool:
    """Whether a path that begins with `prefix` can be a bare name of the default upstream.

    Names of users and organisations of Docker Hub hold no dot.
    """
    return not looks_like_host(prefix.partition("/")[0])
