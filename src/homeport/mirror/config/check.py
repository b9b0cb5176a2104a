"""What one key alone cannot tell: names that collide, roles that are ambiguous, half a setting."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from homeport.mirror.config.hosts import is_loopback
from homeport.mirror.config.reading import Reading
from homeport.mirror.model.config import (
    DOCKER_HUB,
    AuthConfig,
    LdapConfig,
    ListenerConfig,
    MirrorConfig,
    Role,
    UpstreamConfig,
)
from homeport.mirror.names.hosts import HUB_SPELLINGS, is_host, may_be_hub_name, path_form
from homeport.mirror.names.resolver import CANARY
from homeport.mirror.policy.rules import MAX_RULES
from homeport.oci.reference import is_name
from homeport.settings.source import KeyPath

RESERVED = ("library", CANARY)
"""First parts of names that mean something in every upstream."""
TWO_LISTENERS = (
    'write two [[mirror.listeners]]: one with role = "docker-mirror" for registry-mirrors of '
    'dockerd, one with role = "registry" for everything else'
)


def check(config: MirrorConfig, reading: Reading, upstreams: frozenset[str]) -> None:
    """Adds every fault to the reading. Pure but for that.

    `upstreams` are all that were written, so that a fault in one is not told as its absence, too.
    """
    _upstreams(config, reading, upstreams)
    _namespaces(config, reading)
    _collisions(config, reading)
    _listeners(config, reading, upstreams)
    _both(config, reading)
    _rules(config, reading)
    _auth(config.auth, reading)
    _bandwidth(config, reading)


def _upstreams(config: MirrorConfig, reading: Reading, upstreams: frozenset[str]) -> None:
    if upstreams and config.default_upstream not in upstreams:
        known = ", ".join(sorted(upstreams))
        reading.fault(
            ("mirror", "default_upstream"),
            f"{config.default_upstream} is no upstream here",
            f'bare names lead there: add [mirror.upstreams."{config.default_upstream}"], or choose '
            f"one of {known}",
        )
    for name, upstream in config.upstreams.items():
        path: KeyPath = ("mirror", "upstreams", name)
        if name in HUB_SPELLINGS:
            reading.fault(path, "Docker Hub is known as docker.io", f'write "{DOCKER_HUB}"')
        elif not is_host(name) or not ("." in name or ":" in name):
            reading.fault(
                path,
                "an upstream has the name of its host, in lower case, with a dot or a port",
                "other names for it are aliases",
            )
        if not upstream.urls:
            reading.fault((*path, "urls"), "expected at least one URL")
        elif len(set(upstream.urls)) != len(upstream.urls):
            reading.fault((*path, "urls"), "a URL stands twice")
        _credentials(upstream, path, reading)


def _credentials(upstream: UpstreamConfig, path: KeyPath, reading: Reading) -> None:
    given = upstream.credentials
    if given is None:
        return
    passwords = [given.password_file, given.password_env].count(None)
    ways = [given.username, given.docker_config, given.helper].count(None)
    if ways != 2 or (passwords != 2) is (given.username is None) or passwords == 0:
        reading.fault(
            (*path, "credentials"),
            "expected exactly one way",
            "username with password_file or password_env; docker_config; or helper",
        )


def _namespaces(config: MirrorConfig, reading: Reading) -> None:
    for name in config.namespaces:
        path: KeyPath = ("mirror", "namespaces", name)
        if "/" in name or "." in name or ":" in name or not is_name(name):
            reading.fault(
                path,
                "a namespace is one part of a name, without dot and colon",
                "dots and colons tell the hosts of upstreams",
            )
        elif name in RESERVED:
            reading.fault(path, f"{name} has a meaning of its own and is no namespace")


def _prefixes(config: MirrorConfig, reading: Reading) -> Iterator[tuple[str, KeyPath, str]]:
    """Every beginning of a path that means something, where it was written, and what it is."""
    for name in config.upstreams:
        path: KeyPath = ("mirror", "upstreams", name)
        if name not in HUB_SPELLINGS:
            yield path_form(name), path, f"the upstream {name}"
        if name == DOCKER_HUB:
            for host in HUB_SPELLINGS:
                yield host, path, f"another name of {DOCKER_HUB}"
    for name, upstream in config.upstreams.items():
        for alias in upstream.aliases:
            path = reading.entry(("mirror", "upstreams", name, "aliases"), alias)
            yield alias, path, f"an alias of {name}"
    for prefix in config.default_prefixes:
        path = reading.entry(("mirror", "default_prefixes"), prefix)
        yield prefix, path, "a prefix of the default upstream"
    for name in config.namespaces:
        if name not in RESERVED:
            yield name, ("mirror", "namespaces", name), "a namespace"


def _collisions(config: MirrorConfig, reading: Reading) -> None:
    taken: dict[str, str] = {}
    for prefix, path, what in _prefixes(config, reading):
        first = prefix.partition("/")[0]
        if first in RESERVED:
            reading.fault(path, f"{first}/… has a meaning of its own")
        elif prefix in taken:
            reading.fault(path, f"{prefix} is {taken[prefix]} already")
        elif first != prefix and first in config.namespaces:
            reading.fault(path, f"{first} is a namespace: everything below it is local")
        taken.setdefault(prefix, what)


def _listeners(config: MirrorConfig, reading: Reading, upstreams: frozenset[str]) -> None:
    names: set[str] = set()
    addresses: set[str] = set()
    for listener in config.listeners:
        path = reading.path_of(listener)
        if listener.name in names:
            reading.fault(
                path, f"a listener {listener.name} is there already", "give each a name of its own"
            )
        if listener.address in addresses and not listener.address.endswith(":0"):
            reading.fault((*path, "address"), "another listener has this address")
        names.add(listener.name)
        addresses.add(listener.address)
        if listener.proxy_protocol and not config.trusted_proxies:
            reading.fault(
                (*path, "proxy_protocol"),
                "nobody may speak it while trusted_proxies is empty",
                "name the networks of the proxies in mirror.trusted_proxies",
            )
        if listener.tls is not None and listener.tls.client_required and not listener.tls.client_ca:
            reading.fault((*path, "tls", "client_required"), "client_ca is missing")
        _virtual_hosts(listener, reading, upstreams)


def _virtual_hosts(listener: ListenerConfig, reading: Reading, upstreams: frozenset[str]) -> None:
    path: KeyPath = (*reading.path_of(listener), "virtual_hosts")
    if listener.virtual_hosts and listener.role is Role.DOCKER_MIRROR:
        reading.fault(path, "a docker-mirror serves the default upstream alone")
    for host, upstream in listener.virtual_hosts.items():
        if not is_host(host.lower()):
            reading.fault((*path, host), "expected a host")
        if upstream not in upstreams:
            known = ", ".join(sorted(upstreams))
            reading.fault(
                (*path, host), f"{upstream} is no upstream here", f"the upstreams are {known}"
            )


def _both(config: MirrorConfig, reading: Reading) -> None:
    """A listener for both roles is safe only while no path can mean two things, and nobody is
    asked for a password there."""
    both = [listener for listener in config.listeners if listener.role is Role.BOTH]
    if not both:
        return
    listener = both[0]
    for prefix, place, what in _prefixes(config, reading):
        if may_be_hub_name(prefix):
            reading.fault(
                place,
                f"{prefix}, {what}, could be a bare name of {config.default_upstream}, and the "
                f"listener {listener.name} has both roles",
                TWO_LISTENERS,
                code="mirror-ambiguous",
            )
    for found in both:
        for host, upstream in found.virtual_hosts.items():
            if upstream != config.default_upstream:
                reading.fault(
                    (*reading.path_of(found), "virtual_hosts", host),
                    f"a dockerd with {host} among its registry-mirrors would be handed "
                    f"{upstream}'s content under names of {config.default_upstream}",
                    TWO_LISTENERS,
                    code="mirror-ambiguous",
                )
    if asks_passwords(config.auth):
        reading.fault(
            reading.path_of(listener),
            f"the listener {listener.name} has both roles, and mirror.auth asks for passwords: "
            "dockerd would answer with its users' Docker Hub passwords",
            TWO_LISTENERS,
            code="mirror-ambiguous",
        )


def asks_passwords(auth: AuthConfig) -> bool:
    return auth.htpasswd is not None or auth.ldap is not None or bool(auth.issuers)


def _rules(config: MirrorConfig, reading: Reading) -> None:
    if len(config.rules) > MAX_RULES:
        reading.fault(("mirror", "rules"), f"more than {MAX_RULES} rules")
    names: set[str] = set()
    listeners = {listener.name for listener in config.listeners}
    for rule in config.rules:
        path = reading.path_of(rule)
        if rule.name == "default":
            reading.fault((*path, "name"), "default is what is said where no rule decided")
        if rule.name in names:
            reading.fault((*path, "name"), f"a rule {rule.name} is there already")
        names.add(rule.name)
        for place, name in enumerate(rule.listeners):
            if name not in listeners:
                reading.fault(
                    (*path, "listeners", place),
                    f"there is no listener {name}",
                    f"the listeners are {', '.join(sorted(listeners))}",
                )


def _auth(auth: AuthConfig, reading: Reading) -> None:
    issuers: set[tuple[str, str]] = set()
    for issuer in auth.issuers:
        path = reading.path_of(issuer)
        if not issuer.algorithms:
            reading.fault((*path, "algorithms"), "expected at least one")
        if (issuer.issuer, issuer.audience) in issuers:
            reading.fault(path, "this issuer is there already, for the same audience")
        issuers.add((issuer.issuer, issuer.audience))
    if auth.ldap is not None:
        _ldap(auth.ldap, reading)


def _ldap(ldap: LdapConfig, reading: Reading) -> None:
    path: KeyPath = ("mirror", "auth", "ldap")
    if "{username}" not in ldap.user_filter:
        reading.fault((*path, "user_filter"), "expected {username} in it")
    if ldap.group_base is not None and not {"{dn}", "{username}"} & set(_braces(ldap.group_filter)):
        reading.fault((*path, "group_filter"), "expected {dn} or {username} in it")
    if (ldap.bind_dn is None) is not (ldap.bind_password_file is None):
        reading.fault(path, "bind_dn and bind_password_file go together")
    local = is_loopback(f"{urlsplit(ldap.url).hostname}:0")
    if ldap.url.startswith("ldap:") and not (ldap.start_tls or local):
        reading.fault(
            (*path, "url"),
            "passwords would go over the network in clear text",
            "use ldaps://, or start_tls = true",
        )
    if ldap.start_tls and ldap.url.startswith("ldaps:"):
        reading.fault((*path, "start_tls"), "ldaps:// is encrypted from the start")


def _braces(text: str) -> list[str]:
    return [f"{{{part.partition('}')[0]}}}" for part in text.split("{")[1:]]


def _bandwidth(config: MirrorConfig, reading: Reading) -> None:
    seen: set[str] = set()
    for entry in config.bandwidth.networks:
        if entry.network in seen:
            reading.fault((*reading.path_of(entry), "network"), "this network stands twice")
        seen.add(entry.network)
