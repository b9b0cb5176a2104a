"""One rule, compiled: conditions that all hold, or the first one that does not."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from homeport.lib.glob import any_glob, glob_fault
from homeport.mirror.model.config import RuleConfig
from homeport.mirror.model.names import Repository
from homeport.mirror.model.principal import Action
from homeport.mirror.policy.networks import Network, parse_network

ANONYMOUS_NAME = "anonymous"
"""How rules name whoever did not say who they are. Wildcards never mean them."""

IDENTITY = ("principals", "groups", "claims")
_BY_DEFAULT = frozenset(set(Action) - {Action.ADMIN})


class Facts(Struct, frozen=True):
    """What decides, and nothing else: the key of cached decisions. `networks` is a bit for each
    distinct network of the rules, `claims` those that rules name, `issued` whether any came
    with an issuer's token, `reference` None where no rule looks at it."""

    name: str
    groups: tuple[str, ...]
    claims: tuple[tuple[str, str], ...]
    issued: bool
    action: Action
    local: bool
    networks: int
    listener: str
    repository: Repository | None
    reference: str | None


Check = Callable[[Facts], bool]


class Rule(Struct, frozen=True, kw_only=True):
    """`checks` are in the order of `RuleConfig`, empty conditions left out, cheap ones first."""

    name: str
    allow: bool
    config: RuleConfig
    checks: tuple[tuple[str, Check], ...]

    @property
    def asks_who(self) -> bool:
        return any(field in IDENTITY for field, _ in self.checks)

    def fails(self, facts: Facts, *, ignore: Sequence[str] = ()) -> str | None:
        """The first condition that does not hold, by its key; None where all do."""
        for field, check in self.checks:
            if field not in ignore and not check(facts):
                return field
        return None


def compile_rule(config: RuleConfig, networks: Sequence[Network]) -> Rule:
    """`networks` gives each network its bit. Raises ValueError where `rule_faults` would speak."""
    checks: list[tuple[str, Check]] = [("actions", _actions(config.actions))]
    if config.listeners:
        listeners = frozenset(config.listeners)
        checks.append(("listeners", lambda facts: facts.listener in listeners))
    if config.networks:
        bits = sum({1 << networks.index(parse_network(text)) for text in config.networks})
        checks.append(("networks", lambda facts: facts.networks & bits != 0))
    if config.principals:
        checks.append(("principals", _principals(config.principals)))
    if config.groups:
        group = any_glob(config.groups)
        checks.append(("groups", lambda facts: any(group(name) for name in facts.groups)))
    if config.claims:
        checks.append(("claims", _claims(config.claims)))
    if config.repositories:
        checks.append(("repositories", _repositories(config.repositories)))
    if config.references:
        checks.append(("references", _references(config.references, allow=config.allow)))
    return Rule(name=config.name, allow=config.allow, config=config, checks=tuple(checks))


def rule_faults(config: RuleConfig) -> tuple[tuple[str, str], ...]:
    """Every fault of a rule as (key, message); the message repeats the value that is wrong."""
    faults: list[tuple[str, str]] = []
    if not config.name or config.name == "default":
        faults.append(("name", "a rule has a name, and not 'default'"))
    faults += [
        ("actions", f"{word!r} is none of {', '.join(Action)}")
        for word in config.actions
        if word not in set(Action)
    ]
    faults += [
        (field, fault)
        for field in ("principals", "groups", "repositories", "references")
        for pattern in getattr(config, field)
        if (fault := glob_fault(pattern)) is not None
    ]
    for name, pattern in config.claims.items():
        if (fault := glob_fault(pattern)) is not None:
            faults.append(("claims", f"{name}: {fault}"))
    for text in config.networks:
        try:
            parse_network(text)
        except ValueError as error:
            faults.append(("networks", str(error)))
    return tuple(faults)


def _actions(words: tuple[str, ...]) -> Check:
    """Administration must be named: a rule that opens a network must not open it by the way."""
    wanted = frozenset(Action(word) for word in words) or _BY_DEFAULT
    return lambda facts: facts.action in wanted


def _principals(patterns: tuple[str, ...]) -> Check:
    anonymous = ANONYMOUS_NAME in patterns
    named = any_glob(tuple(text for text in patterns if text != ANONYMOUS_NAME))
    return lambda facts: named(facts.name) if facts.name else anonymous


def _claims(wanted: Mapping[str, str]) -> Check:
    matchers = tuple((name, any_glob((pattern,))) for name, pattern in sorted(wanted.items()))

    def check(facts: Facts) -> bool:
        claims = dict(facts.claims)
        return all(name in claims and match(claims[name]) for name, match in matchers)

    return check


def _repositories(patterns: tuple[str, ...]) -> Check:
    match = any_glob(patterns)
    return lambda facts: facts.repository is not None and match(str(facts.repository))


def _references(patterns: tuple[str, ...], *, allow: bool) -> Check:
    """Patterns of tags say nothing about blobs, listings and digests, without which no tag can be
    pulled: there, an allowing rule holds and a denying one does not."""
    match = any_glob(patterns)
    of_digests = any(":" in pattern for pattern in patterns)

    def check(facts: Facts) -> bool:
        reference = facts.reference
        if reference is None:
            return allow
        if match(reference):
            return True
        return allow and ":" in reference and not of_digests

    return check
