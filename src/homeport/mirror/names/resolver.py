"""(listener, Host header, name, ns) → upstream and repository.

On a docker-mirror listener a path is always a bare name: dockerd sends `docker.io/quay/x` as
`/v2/quay/x`, so that any other reading would hand out other content under a Hub name. Elsewhere
`ns` decides before the Host header, and that before the path.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from msgspec import Struct

from homeport.mirror.model.config import DOCKER_HUB, ListenerConfig, MirrorConfig, Role
from homeport.mirror.model.names import LOCAL, Refusal, Repository, Route, Target
from homeport.mirror.names.hosts import (
    HUB_SPELLINGS,
    MAX_HOST,
    canonical_host,
    is_host,
    looks_like_host,
    may_be_hub_name,
    path_form,
    without_port,
)
from homeport.oci.reference import MAX_NAME, is_name

Resolver = Callable[[str, str, str, str | None], Target | Refusal]
"""(listener, host, name, ns) → where it leads; never raises."""

CANARY = "homeport-verify"
"""The first component of every enrolment canary, `homeport-verify/NONCE`, in every upstream."""

CACHED = 8192
SHOWN = 12
_NONCE = re.compile(r"[a-z0-9]{8,64}")
_INVALID = Refusal(
    message="the name is not valid: lower-case letters, digits and single separators, "
    f"at most {MAX_NAME} characters; a registry's port is written with _ (registry.corp_5000/app)",
    invalid=True,
)
_INVALID_NAMESPACE = Refusal(message="ns is not the name of a registry", invalid=True)


class _Doors(Struct, frozen=True, kw_only=True):
    """What one listener knows. `prefixes` lead to an upstream and how, longest of `depth`
    components; `own` are the listener's own names, which an `ns` may say."""

    bare_only: bool
    virtual_hosts: Mapping[str, str]
    prefixes: Mapping[str, tuple[str, Route]]
    depth: int
    namespaces: frozenset[str]
    own: frozenset[str]


def make_resolver(config: MirrorConfig) -> Resolver:
    """The resolver of all listeners. Pure; up to `CACHED` answers are remembered."""
    names = _Names(config)
    with_hosts = frozenset(listener.name for listener in config.listeners if listener.virtual_hosts)
    remembered = lru_cache(maxsize=CACHED)(names.resolve)

    def resolve(listener: str, host: str, name: str, ns: str | None) -> Target | Refusal:
        # Long texts never get into the memory, and a Host header only where it matters.
        if len(name) > MAX_NAME:
            return _INVALID
        if ns is not None and len(ns) > MAX_HOST:
            return _INVALID_NAMESPACE
        if listener not in with_hosts or len(host) > MAX_HOST:
            host = ""
        return remembered(listener, host, name, ns)

    return resolve


class _Names:
    def __init__(self, config: MirrorConfig) -> None:
        self._default = config.default_upstream
        self._upstreams = frozenset(config.upstreams) | {config.default_upstream}
        self._doors = {listener.name: _doors(config, listener) for listener in config.listeners}
        known = sorted(self._upstreams)
        rest = len(known) - SHOWN
        more = f" and {rest} more" if rest > 0 else ""
        self._known = f"the upstreams here are {', '.join(known[:SHOWN])}{more}"

    def resolve(self, listener: str, host: str, name: str, ns: str | None) -> Target | Refusal:
        doors = self._doors.get(listener)
        if doors is None:
            return Refusal(message="no such listener")
        if not is_name(name):
            return _INVALID
        if ns is not None:
            found = self._by_namespace(doors, name, ns)
            if found is not None:
                return found
        if doors.bare_only:
            return self._bare_only(name, ns)
        upstream = self._virtual(doors, host)
        if upstream is not None:
            return self._inside(upstream, name, name, Route.VIRTUAL_HOST, ns)
        return self._by_path(doors, name, ns)

    def _by_namespace(self, doors: _Doors, name: str, ns: str) -> Target | Refusal | None:
        """None where `ns` is the listener's own name: then the path decides."""
        upstream = canonical_host(ns)
        if not (ns.isascii() and is_host(upstream)):  # lower() makes ASCII of the Kelvin sign
            return _INVALID_NAMESPACE
        if doors.bare_only and upstream != self._default:
            return Refusal(
                message=f"this listener serves {self._default} alone, not {upstream}; "
                "a registry listener serves the others",
                unknown_upstream=True,
            )
        if upstream in self._upstreams:
            return self._inside(upstream, name, name, Route.NAMESPACE, ns)
        if upstream in doors.own:
            return None
        return self._unknown(upstream)

    def _bare_only(self, name: str, ns: str | None) -> Target | Refusal:
        first, slash, _ = name.partition("/")
        if slash and self._default == DOCKER_HUB and looks_like_host(first):
            return Refusal(
                message=f"{DOCKER_HUB} has no {first}/…; this listener serves {DOCKER_HUB} alone, "
                "a registry listener serves the others"
            )
        return self._inside(self._default, name, name, Route.DEFAULT, ns)

    def _virtual(self, doors: _Doors, host: str) -> str | None:
        if not doors.virtual_hosts or not host:
            return None
        lower = host.lower()
        found = doors.virtual_hosts.get(lower)
        return found or doors.virtual_hosts.get(without_port(lower).rstrip("."))

    def _by_path(self, doors: _Doors, name: str, ns: str | None) -> Target | Refusal:
        first, slash, _ = name.partition("/")
        if first in doors.namespaces:
            return Target(
                repository=Repository(LOCAL, name), asked=name, route=Route.LOCAL, namespace=ns
            )
        parts = name.split("/", doors.depth)
        for count in range(min(doors.depth, len(parts) - 1), 0, -1):
            prefix = "/".join(parts[:count])
            found = doors.prefixes.get(prefix)
            if found is not None:
                upstream, route = found
                return self._inside(upstream, name[len(prefix) + 1 :], name, route, ns)
        if slash and looks_like_host(first):
            return self._unknown(first)
        return self._inside(self._default, name, name, Route.DEFAULT, ns)

    def _inside(
        self, upstream: str, name: str, asked: str, route: Route, ns: str | None
    ) -> Target | Refusal:
        """A name within an upstream: canaries, and Docker Hub's `library/`."""
        first, slash, rest = name.partition("/")
        nonce = None
        if slash and first == CANARY:
            if _NONCE.fullmatch(rest) is None:
                return Refusal(
                    message=f"{CANARY}/… is kept for canaries, and this is none: 8 to 64 "
                    "lower-case letters and digits"
                )
            route, nonce = Route.CANARY, rest
        elif not slash and upstream == DOCKER_HUB:
            name = f"library/{name}"
        return Target(
            repository=Repository(upstream, name),
            asked=asked,
            route=route,
            namespace=ns,
            nonce=nonce,
        )

    def _unknown(self, upstream: str) -> Refusal:
        return Refusal(
            message=f"{upstream} is not an upstream of this mirror; {self._known}",
            unknown_upstream=True,
        )


def _doors(config: MirrorConfig, listener: ListenerConfig) -> _Doors:
    if listener.role is Role.DOCKER_MIRROR:
        return _Doors(
            bare_only=True,
            virtual_hosts={},
            prefixes={},
            depth=0,
            namespaces=frozenset(),
            own=frozenset(),
        )
    prefixes = path_prefixes(config)
    namespaces = frozenset(config.namespaces)
    hosts = {host.lower().rstrip("."): name for host, name in listener.virtual_hosts.items()}
    if listener.role is Role.BOTH:
        # `--check` refuses such a listener; if one came here all the same, Hub's names win.
        prefixes = {prefix: to for prefix, to in prefixes.items() if not may_be_hub_name(prefix)}
        hosts = {host: name for host, name in hosts.items() if name == config.default_upstream}
        namespaces = frozenset()
    return _Doors(
        bare_only=False,
        virtual_hosts=hosts,
        prefixes=prefixes,
        depth=max((prefix.count("/") + 1 for prefix in prefixes), default=0),
        namespaces=namespaces,
        own=_own_names(listener),
    )


def path_prefixes(config: MirrorConfig) -> dict[str, tuple[str, Route]]:
    """Every beginning of a path that leads to an upstream, and how."""
    prefixes: dict[str, tuple[str, Route]] = dict.fromkeys(
        config.default_prefixes, (config.default_upstream, Route.ALIAS)
    )
    for upstream in config.upstreams.values():
        prefixes |= dict.fromkeys(upstream.aliases, (upstream.name, Route.ALIAS))
    for name in (*config.upstreams, config.default_upstream):
        prefixes[path_form(name)] = (name, Route.HOST_PATH)
        if name == DOCKER_HUB:
            prefixes |= dict.fromkeys(HUB_SPELLINGS, (name, Route.HOST_PATH))
    return prefixes


def _own_names(listener: ListenerConfig) -> frozenset[str]:
    """What a client calls this listener: containerd says so in `ns` when a mirror for all hosts
    leads it here for the mirror's own images."""
    if listener.external_url is None:
        return frozenset()
    host = urlsplit(listener.external_url).netloc.lower()
    return frozenset((host, without_port(host)))
