"""What holds where no rule does. Safe without any configuration of access: everybody pulls what is
public, nobody changes anything from afar."""

from homeport.mirror.model.config import MirrorConfig
from homeport.mirror.model.principal import Action, Allow, Decision, Deny
from homeport.mirror.policy.rule import Facts

DEFAULT = "default"
_ALLOW = Allow(rule=DEFAULT)


def can_prove(config: MirrorConfig) -> bool:
    """Whether the configuration names any way to say who one is."""
    auth = config.auth
    by_certificate = any(
        listener.tls is not None and listener.tls.client_ca is not None
        for listener in config.listeners
    )
    return bool(auth.htpasswd or auth.issuers or auth.ldap or by_certificate)


def decide_default(facts: Facts, config: MirrorConfig, *, provable: bool) -> Decision:
    match facts.action:
        case Action.CATALOG:
            return _ALLOW
        case Action.ADMIN:
            return _ALLOW if facts.local else _deny("administration is for this machine", facts)
        case Action.PULL:
            return _pull(facts, config, provable=provable)
        case Action.PUSH | Action.DELETE:
            return _write(facts, provable=provable)


def _pull(facts: Facts, config: MirrorConfig, *, provable: bool) -> Decision:
    repository = facts.repository
    if repository is None:
        return Deny(rule=DEFAULT, reason="nothing is named that could be pulled")
    if repository.is_local:
        if facts.name or not provable:
            return _ALLOW
        return _deny("this repository needs a login", facts)
    upstream = config.upstreams.get(repository.upstream)
    if upstream is None:
        return Deny(rule=DEFAULT, reason=f"no upstream {repository.upstream} is configured")
    if facts.name or upstream.open_to_anonymous:
        return _ALLOW
    return _deny(f"{repository.upstream} is fetched with credentials and needs a login", facts)


def _write(facts: Facts, *, provable: bool) -> Decision:
    if not facts.name:
        if facts.local and not provable:
            return _ALLOW
        return _deny("changes need a login", facts)
    if facts.issued:
        # A job of any project of a whole GitLab server holds such a token.
        return Deny(rule=DEFAULT, reason="changes with an issuer's token need a rule")
    return _ALLOW


def _deny(reason: str, facts: Facts) -> Deny:
    return Deny(rule=DEFAULT, reason=reason, login=not facts.name)
