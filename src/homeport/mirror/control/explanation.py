"""Why a pull is answered as it is: `GET /_homeport/explain?image=&listener=&address=&…`."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from homeport.mirror.control.image_name import listener_for, parse_image, without_own_host
from homeport.mirror.control.recent import Recent
from homeport.mirror.control.words import why
from homeport.mirror.model.config import MirrorConfig, Role
from homeport.mirror.model.names import Refusal, Repository, Target
from homeport.mirror.model.principal import ANONYMOUS, Access, Action, Deny, Principal
from homeport.mirror.model.record import Record
from homeport.mirror.policy.explain import explain as explain_rules
from homeport.mirror.policy.rules import RulePolicy
from homeport.mirror.pull.freshness import fresh_for, ttl_of
from homeport.mirror.store.api import Metadata
from homeport.mirror.upstream.api import UpstreamState
from homeport.oci.digest import parse_digest

Resolve = Callable[[str, str, str, str | None], Target | Refusal]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Who would ask for what: by default nobody in particular, from this machine. `image` is as
    people write it, `name` and `reference` as a client puts them into a path; one of both is given.
    """

    image: str = ""
    name: str = ""
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
    """Plain data: where the name leads, which rule decides, what is held, how the upstream is.
    Raises ValueError for an `image` that is none."""
    asked = _as_asked(question, config)
    listener, name, reference = asked.listener, asked.name, asked.reference
    found = asked.refusal or resolve(listener, "", name, question.namespace)
    answer: dict[str, Any] = {"name": name, "reference": reference, "listener": listener}
    if isinstance(found, Refusal):
        return answer | {
            "allowed": False,
            "refused": found.message,
            "recent": [_lately(record) for record in recent.asked(name)],
        }
    repository = found.repository
    principal = ANONYMOUS
    if question.principal:
        groups = [
            group for group, members in config.auth.groups.items() if question.principal in members
        ]
        principal = Principal(
            name=question.principal, groups=tuple(dict.fromkeys((*question.groups, *groups)))
        )
    access = Access(
        principal=principal,
        action=Action.PULL,
        address=question.address,
        listener=listener,
        repository=repository,
        reference=reference,
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
        "held": await _held(metadata, repository, reference, config, now),
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
        manifest = await metadata.manifest(repository, parse_digest(reference))
        return None if manifest is None else {"digest": manifest.digest, "state": "fresh"}
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
    if upstream is None:
        return held | {"state": "fresh" if repository.is_local else "stale"}
    ttl = ttl_of(upstream, repository, reference)
    left = fresh_for(checked=row.checked, ttl=ttl, now=now)
    state = "gone" if row.gone is not None else "fresh" if left > 0 else "stale"
    return held | {"ttl_seconds": ttl, "state": state}


def _lately(record: Record) -> dict[str, Any]:
    return {**msgspec.to_builtins(record), "why": why(record)}


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    listener: str
    name: str
    reference: str
    refusal: Refusal | None = None


def _as_asked(question: Question, config: MirrorConfig) -> _Asked:
    """What a client makes of an image's name at a listener."""
    if not question.image:
        listener = question.listener or config.listeners[0].name
        if ":" in question.reference:
            parse_digest(question.reference)
        return _Asked(listener=listener, name=question.name, reference=question.reference)
    written = parse_image(question.image)
    image = without_own_host(written, config)
    door = next(
        (entry for entry in config.listeners if entry.name == question.listener),
        listener_for(written, config),
    )
    name, refusal = image.path, None
    if door.role is Role.DOCKER_MIRROR and image.host:
        # dockerd takes the host away, and asks its mirrors for nothing but Docker Hub's images.
        name = image.name
        if image.host != config.default_upstream:
            refusal = Refusal(
                message=f"dockerd never asks a registry-mirror for images of {image.host}"
            )
    return _Asked(
        listener=door.name, name=name, reference=image.reference or "latest", refusal=refusal
    )
