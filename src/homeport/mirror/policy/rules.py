"""The gate: the first rule whose every condition holds decides, else the default."""

from collections.abc import Sequence
from functools import lru_cache

from homeport.errors import Problem, UsageError
from homeport.mirror.model.config import MirrorConfig, RuleConfig
from homeport.mirror.model.principal import Access, Action, Allow, Decision, Deny
from homeport.mirror.policy.default import DEFAULT, can_prove, decide_default
from homeport.mirror.policy.networks import is_local, member_bits, parse_network
from homeport.mirror.policy.rule import IDENTITY, Facts, Rule, compile_rule, rule_faults

MAX_RULES = 1000
_DECISIONS = 16_384
"""Who asks for ever new names of the greatest length makes each cost 700 bytes."""
_ADDRESSES = 16_384


class RulePolicy:
    """Pure: the same access always gets the same decision. A decision that was made before costs
    two look-ups: one of the address, one of what else decides."""

    def __init__(self, config: MirrorConfig) -> None:
        """Raises UsageError with every fault of every rule."""
        problems = rule_problems(config.rules)
        if problems:
            raise UsageError(problems)
        self._config = config
        texts = dict.fromkeys(text for rule in config.rules for text in rule.networks)
        networks = tuple(dict.fromkeys(parse_network(text) for text in texts))
        self.rules: tuple[Rule, ...] = tuple(compile_rule(rule, networks) for rule in config.rules)
        self.provable = can_prove(config)
        self._claims = tuple(sorted({name for rule in config.rules for name in rule.claims}))
        self._by_reference = any(rule.references for rule in config.rules)
        self._place = lru_cache(maxsize=_ADDRESSES)(
            lambda address: (is_local(address), member_bits(address, networks))
        )
        self._decide = lru_cache(maxsize=_DECISIONS)(self._first)

    def decide(self, access: Access) -> Decision:
        principal = access.principal
        if access.action is Action.ADMIN and principal.scopes is not None:
            # A token is made for repositories; one that leaks must not administer.
            return Deny(rule=DEFAULT, reason="administration takes no bearer token of ours")
        local, bits = self._place(access.address)
        local = local and access.direct
        return self._decide(
            principal.name,
            principal.groups,
            self._claims_of(access) if principal.claims else (),
            bool(principal.claims),
            access.action,
            local,
            bits,
            access.listener,
            access.repository,
            access.reference if self._by_reference else None,
        )

    def facts(self, access: Access) -> Facts:
        """What of an access decides."""
        local, bits = self._place(access.address)
        local = local and access.direct
        return Facts(
            access.principal.name,
            access.principal.groups,
            self._claims_of(access),
            bool(access.principal.claims),
            access.action,
            local,
            bits,
            access.listener,
            access.repository,
            access.reference,
        )

    def default(self, facts: Facts) -> Decision:
        return decide_default(facts, self._config, provable=self.provable)

    def _claims_of(self, access: Access) -> tuple[tuple[str, str], ...]:
        claims = access.principal.claims
        return tuple((name, claims[name]) for name in self._claims if name in claims)

    def _first(self, *parts: object) -> Decision:
        facts = Facts(*parts)  # type: ignore[arg-type]  # the order is that of `decide`
        for index, rule in enumerate(self.rules):
            if rule.fails(facts) is None:
                if rule.allow:
                    return Allow(rule=rule.name)
                login = not facts.name and self._login_helps(facts, index)
                return Deny(rule=rule.name, reason=f"denied by rule {rule.name!r}", login=login)
        return self.default(facts)

    def _login_helps(self, facts: Facts, index: int) -> bool:
        """Whether someone with a name might pass where anonymous failed at rule `index`: that rule
        asks who it is, or one before it allows somebody else the very same."""
        if self.rules[index].asks_who:
            return True
        return any(
            rule.allow and rule.asks_who and rule.fails(facts, ignore=IDENTITY) is None
            for rule in self.rules[:index]
        )


def make_policy(config: MirrorConfig) -> RulePolicy:
    """The rules of a configuration, compiled. Raises UsageError with all that is wrong in them."""
    return RulePolicy(config)


def rule_problems(rules: Sequence[RuleConfig]) -> tuple[Problem, ...]:
    """Every fault of every rule. `code` is `rule-KEY` (`rule-networks`)."""
    problems: list[Problem] = []
    if len(rules) > MAX_RULES:
        problems.append(
            Problem(message=f"{len(rules)} rules; at most {MAX_RULES}", code="rule-count")
        )
        return tuple(problems)
    seen: set[str] = set()
    for number, rule in enumerate(rules, 1):
        where = f"rule {number} ({rule.name!r})"
        if rule.name in seen:
            problems.append(
                Problem(message=f"{where}: another rule has this name", code="rule-name")
            )
        seen.add(rule.name)
        problems += [
            Problem(message=f"{where}: {key}: {fault}", code=f"rule-{key}")
            for key, fault in rule_faults(rule)
        ]
    return tuple(problems)
