"""Why a decision is as it is: every rule in order, and what it did not like (`mirror explain`)."""

from collections.abc import Iterable

from msgspec import Struct

from homeport.mirror.model.principal import Access, Decision
from homeport.mirror.policy.default import DEFAULT
from homeport.mirror.policy.rule import ANONYMOUS_NAME
from homeport.mirror.policy.rules import RulePolicy

_SHOWN = 4


class Step(Struct, frozen=True, kw_only=True):
    """One rule, or `default` at the end. `matched`: its conditions hold; `decides`: it is the first
    of those. `why` is a phrase for people."""

    rule: str
    matched: bool
    decides: bool
    why: str


def explain(policy: RulePolicy, access: Access) -> tuple[Decision, tuple[Step, ...]]:
    """The decision, and each rule's part in it."""
    facts = policy.facts(access)
    steps: list[Step] = []
    decided = False
    for rule in policy.rules:
        failed = rule.fails(facts)
        if failed is None:
            why = "allows it" if rule.allow else "denies it"
            if decided:
                why = f"would {'allow' if rule.allow else 'deny'} it, but an earlier rule decides"
        else:
            why = _why(failed, getattr(rule.config, failed), access)
        steps.append(
            Step(
                rule=rule.name,
                matched=failed is None,
                decides=failed is None and not decided,
                why=why,
            )
        )
        decided = decided or failed is None
    default = policy.default(facts)
    steps.append(
        Step(
            rule=DEFAULT,
            matched=True,
            decides=not decided,
            why=getattr(default, "reason", "allows it"),
        )
    )
    return policy.decide(access), tuple(steps)


def _why(key: str, wanted: Iterable[str], access: Access) -> str:
    principal = access.principal
    if key == "claims":
        shown = ", ".join(f"{name}={principal.claims.get(name, '(none)')}" for name in wanted)
        return f"the claims are {shown}"
    is_what = {
        "actions": f"{access.action} is not among the actions",
        "listeners": f"the listener {access.listener} is not",
        "networks": f"the address {access.address} is in none of",
        "principals": f"{principal.name or ANONYMOUS_NAME} is not",
        "groups": f"the groups ({', '.join(principal.groups) or 'none'}) are not",
        "repositories": f"{access.repository or 'no repository'} is not",
        "references": f"the reference {access.reference or '(none)'} is not",
    }[key]
    listed = list(wanted)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"{is_what}: {', '.join(listed[:_SHOWN])}{more}".rstrip(": ")
