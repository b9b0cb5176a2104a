"""Why a pull is answered as it is: `GET /_homeport/explain?name=&reference=&listener=&address=`."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from homeport.mirror.control.recent import Recent
from homeport.mirror.model.config import MirrorConfig
from homeport.mirror.model.names import Refusal, Repository, Target
from homeport.mirror.model.principal import ANONYMOUS, Access, Action, Deny, Principal
from homeport.mirror.model.record import Record
from homeport.mirror.policy.explain import explain as explain_rules
from homeport.mirror.policy.rules import RulePolicy
from homeport.mirror.store.api import Metadata
from homeport.mirror.upstream.api import UpstreamState

Resolve = Callable[[str, str, str, str | None], Target | Refusal]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Who would ask for what: by default nobody in particular, from this machine."""

    name: str
    reference: str = "latest"
    listener: str = ""
    address: str = "127.0.0.1"
    namespace: str | None = None
    principal: str = ""
    groups: tuple[str, ...] = ()


async def explain(
    question: Question,
    *,
    config: MirrorConfig,
    resolve: Resolve,
    policy: RulePolicy,
    metadata: Metadata,
    states: Mapping[str, UpstreamState],
    recent: Recent,
    now: float,
) -> dict[str, Any]:
    """Plain data: where the name leads, which rule decides, what is held, how the upstream is."""
    listener = question.listener or config.listeners[0].name
    found = resolve(listener, "", question.name, question.namespace)
    answer: dict[str, Any] = {"name": question.name, "listener": listener}
    if isinstance(found, Refusal):
        return answer | {
            "refused": found.message,
            "recent": [_lately(record) for record in recent.asked(question.name)],
        }
    repository = found.repository
    principal = ANONYMOUS
    if question.principal:
        principal = Principal(name=question.principal, groups=question.groups)
    access = Access(
        principal=principal,
        action=Action.PULL,
        address=question.address,
        listener=listener,
        repository=repository,
        reference=question.reference,
    )
    decision, steps = explain_rules(policy, access)
    answer |= {
        "upstream": repository.upstream,
        "repository": repository.name,
        "route": found.route.value,
        "allowed": not isinstance(decision, Deny),
        "rule": decision.rule,
        "reason": decision.reason if isinstance(decision, Deny) else "",
        "rules": [msgspec.to_builtins(step) for step in steps],
        "held": await _held(metadata, repository, question.reference, config, now),
        "recent": [_lately(r) for r in recent.of(repository.upstream, repository.name)],
    }
    state = states.get(repository.upstream)
    if state is not None:
        answer["upstream_state"] = msgspec.to_builtins(state)
    return answer


async def _held(
    metadata: Metadata, repository: Repository, reference: str, config: MirrorConfig, now: float
) -> dict[str, Any] | None:
    if ":" in reference:
        from homeport.oci.digest import Digest

        manifest = await metadata.manifest(repository, Digest(reference))
        return None if manifest is None else {"digest": manifest.digest}
    row = await metadata.tag(repository, reference)
    if row is None:
        return None
    held: dict[str, Any] = {
        "digest": row.digest,
        "checked_seconds_ago": round(now - row.checked, 1),
    }
    if row.gone is not None:
        held["gone_upstream_seconds_ago"] = round(now - row.gone, 1)
    upstream = config.upstreams.get(repository.upstream)
    if upstream is not None:
        held["ttl_seconds"] = upstream.tag_ttl
    return held


def _lately(record: Record) -> dict[str, Any]:
    return msgspec.to_builtins(record)  # type: ignore[no-any-return]
