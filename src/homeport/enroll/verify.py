"""Prove that engines use the mirror: each pulls what nobody else can serve.

Of homeport's mirror that is an image made of a nonce; the mirror then says whether it was asked for
it. Of another mirror it is an image that only it holds, named by the user.
"""

import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Callable, Optional

from homeport.enroll.client import MirrorClient
from homeport.enroll.engines.api import EngineKind
from homeport.enroll.engines.kinds import find_kind
from homeport.enroll.errors import CannotPullError, EnrollError
from homeport.enroll.host import Host
from homeport.enroll.model import Engine, Mirror, MirrorKind, Request

PROVEN = "proven"
FAILED = "failed"
UNPROVEN = "configured, not proven"
UNCOVERED = "not through the mirror"

HUB = "docker.io"
SAID = 600


@dataclass(frozen=True)
class Proof:
    """One pull. `state` is one of this module's; `said` what the engine or the mirror has said,
    `came` who came to the mirror for it."""

    engine: str
    title: str
    registry: str
    state: str
    reference: str = ""
    said: str = ""
    came: str = ""

    @property
    def ok(self) -> bool:
        return self.state != FAILED


def verify(
    host: Host,
    request: Request,
    engines: Sequence[Engine],
    *,
    find: Callable[[str], EngineKind] = find_kind,
    nonce: Callable[[], str] = lambda: secrets.token_hex(8),
) -> tuple[Proof, ...]:
    """Pull through each engine from each registry that it was pointed at the mirror for."""
    proofs = []
    for engine in engines:
        kind = find(engine.kind)
        mirrors = kind.enrolled(host, engine)
        for registry in request.registries:
            if mirrors and not mirrors.get(registry):
                proofs.append(Proof(engine.id, engine.title, registry, UNCOVERED))
            elif request.mirror.kind is MirrorKind.HOMEPORT:
                proofs.append(
                    _by_nonce(host, kind, engine, request.mirror, registry=registry, nonce=nonce())
                )
            elif registry == HUB:
                proofs.append(_by_canary(host, kind, engine, request.mirror))
            else:
                proofs.append(Proof(engine.id, engine.title, registry, UNPROVEN))
    return tuple(proofs)


def _by_nonce(
    host: Host, kind: EngineKind, engine: Engine, mirror: Mirror, *, registry: str, nonce: str
) -> Proof:
    reference = f"{registry}/homeport-verify/{nonce}:latest"
    proof = Proof(engine.id, engine.title, registry, UNPROVEN, reference)
    pulled, said = _pull(host, kind, engine, reference)
    if pulled is None:
        return replace(proof, said=said)
    try:
        came = _who_came(host, mirror, nonce)
    except EnrollError as error:
        # The image cannot come from elsewhere: that it is here is proof enough.
        return replace(proof, state=PROVEN if pulled else FAILED, said=said or error.message)
    if pulled and came:
        return replace(proof, state=PROVEN, came=came)
    where = "the mirror was asked for it" if came else "the mirror was never asked for it"
    return replace(proof, state=FAILED, said=f"{where}; {said}".strip("; "), came=came)


def _by_canary(host: Host, kind: EngineKind, engine: Engine, mirror: Mirror) -> Proof:
    if mirror.canary is None:
        said = "name an image that only it holds by --canary"
        return Proof(engine.id, engine.title, HUB, UNPROVEN, said=said)
    pulled, said = _pull(host, kind, engine, mirror.canary)
    state = {True: PROVEN, False: FAILED, None: UNPROVEN}[pulled]
    return Proof(engine.id, engine.title, HUB, state, mirror.canary, said)


def _pull(
    host: Host, kind: EngineKind, engine: Engine, reference: str
) -> "tuple[Optional[bool], str]":
    """Whether it could be pulled, None where this kind cannot pull; and what was said."""
    try:
        pull = kind.pull(host, engine, reference)
    except CannotPullError as error:
        return None, error.message
    except EnrollError as error:
        words = (error.message, getattr(error, "said", None), error.hint)
        return False, "; ".join(filter(None, words))[:SAID]
    finally:
        with suppress(EnrollError):
            kind.remove(host, engine, reference)
    return pull.ok, "" if pull.ok else pull.said.strip()[-SAID:]


def _who_came(host: Host, mirror: Mirror, nonce: str) -> str:
    """The engines that have asked the mirror for this nonce, or nothing."""
    client = MirrorClient(mirror.url, ca=mirror.ca, env=host.env)
    answer = client.get(f"/_homeport/canary/{nonce}", limit=1 << 20)
    if answer.status != 200:
        raise EnrollError(f"the mirror does not say who has asked for it ({answer.status})")
    try:
        seen = json.loads(answer.body)["seen"]
        names = [f"{entry['agent'] or 'an engine'} at {entry['listener']}" for entry in seen]
    except (ValueError, LookupError, TypeError):
        raise EnrollError("the mirror does not say who has asked for it") from None
    return ", ".join(dict.fromkeys(names))[:SAID]
