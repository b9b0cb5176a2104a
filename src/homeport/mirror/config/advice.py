"""What is allowed and yet probably not meant: warnings for `--check` and the start."""

from homeport.errors import Problem, Severity
from homeport.mirror.config.check import asks_passwords
from homeport.mirror.config.hosts import is_loopback
from homeport.mirror.model.config import AuditConfig, MirrorConfig, Role
from homeport.mirror.policy.default import can_prove


def advice(config: MirrorConfig) -> tuple[Problem, ...]:
    """Warnings about a valid configuration."""
    found: list[str] = []
    passwords = asks_passwords(config.auth)
    for listener in config.listeners:
        open_wire = listener.tls is None and not is_loopback(listener.address)
        behind_proxy = bool(config.trusted_proxies)
        if open_wire and passwords and listener.role is Role.REGISTRY and not behind_proxy:
            found.append(
                f"listener {listener.name}: passwords go over the network in clear text (no tls)"
            )
    for upstream in config.upstreams.values():
        if upstream.credentials is not None and any(
            url.startswith("http://") for url in upstream.urls
        ):
            found.append(f"upstream {upstream.name}: its credentials go over plain http")
        if upstream.credentials is not None and upstream.open_to_anonymous:
            found.append(
                f"upstream {upstream.name}: what its credentials may read is open to everybody "
                "(anonymous = true)"
            )
    if config.namespaces and not can_prove(config) and not config.rules:
        found.append(
            "only this machine may push to the namespaces: nobody else can prove who they are"
        )
    if config.audit.enabled and config.audit.key is None and config.audit != AuditConfig():
        found.append("audit.key is not set: the heads of the audit's chains are not signed")
    return tuple(
        Problem(message=message, code="mirror-advice", severity=Severity.WARNING)
        for message in found
    )
