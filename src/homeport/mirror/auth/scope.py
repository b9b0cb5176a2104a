"""Scopes: what a client asks a token for, and what of that the rules allow."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from homeport.mirror.auth.tokens import Grant
from homeport.mirror.model.exchange import Request
from homeport.mirror.model.names import Refusal, Repository, Target
from homeport.mirror.model.principal import Access, Action, Allow, Principal
from homeport.mirror.policy.api import Policy

Resolve = Callable[[str, str, str, str | None], Target | Refusal]
"""(listener, host, name, ns) → where it leads."""

MAX_SCOPES = 128
_MAX_LENGTH = 1024
_REPOSITORY = (Action.PULL, Action.PUSH, Action.DELETE)


class Scope(Struct, frozen=True):
    """`repository`, `library/nginx`, {`pull`, `push`}."""

    type: str
    name: str
    actions: frozenset[str]


def parse_scopes(texts: Iterable[str]) -> tuple[Scope, ...]:
    """Several in one text are separated by spaces. What is none is left out, as the token
    specification wants; raises ValueError for too many."""
    words = [word for text in texts for word in text.split()]
    if len(words) > MAX_SCOPES:
        raise ValueError(f"at most {MAX_SCOPES} scopes")
    merged: dict[tuple[str, str], frozenset[str]] = {}
    for word in words:
        kind, _, rest = word.partition(":")
        name, colon, actions = rest.rpartition(":")
        if not colon or not name or len(word) > _MAX_LENGTH:
            continue
        # `repository(plugin)` is a repository with a class.
        key = (kind.partition("(")[0], name)
        merged[key] = merged.get(key, frozenset()) | frozenset(actions.split(","))
    return tuple(Scope(kind, name, actions) for (kind, name), actions in merged.items())


def grant(
    scopes: Iterable[Scope],
    principal: Principal,
    request: Request,
    *,
    policy: Policy,
    resolve: Resolve,
) -> tuple[Grant, ...]:
    """What the rules allow this principal from the request's address. A scope of which nothing is
    left is left out."""
    grants: list[Grant] = []
    for scope in scopes:
        actions: tuple[str, ...] = ()
        if scope.type == "repository":
            name = request.query.get("ns") or None
            found = resolve(request.listener, request.host, scope.name, name)
            if isinstance(found, Target):
                actions = tuple(
                    action.value
                    for action in _REPOSITORY
                    if (action.value in scope.actions or "*" in scope.actions)
                    and _allowed(policy, principal, request, action, found.repository)
                )
        elif (
            (scope.type, scope.name) == ("registry", "catalog")
            and "*" in scope.actions
            and _allowed(policy, principal, request, Action.CATALOG, None)
        ):
            actions = ("*",)
        if actions:
            grants.append(Grant(scope.type, scope.name, actions))
    return tuple(grants)


def _allowed(
    policy: Policy,
    principal: Principal,
    request: Request,
    action: Action,
    repository: Repository | None,
) -> bool:
    access = Access(
        principal=principal,
        action=action,
        address=request.address,
        listener=request.listener,
        repository=repository,
    )
    return isinstance(policy.decide(access), Allow)
