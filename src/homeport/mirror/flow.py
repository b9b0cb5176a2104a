"""One request from top to bottom: authenticate → resolve → decide → serve → audit."""

import time
from collections.abc import Callable
from typing import assert_never

from homeport.mirror.audit.api import Audit
from homeport.mirror.auth.api import Authenticator, Rejected
from homeport.mirror.control.api import Control as ControlService
from homeport.mirror.errors import RegistryError
from homeport.mirror.failure import failure
from homeport.mirror.model.config import Role
from homeport.mirror.model.endpoint import (
    Base,
    Blob,
    Catalog,
    Control,
    Manifests,
    Named,
    Referrers,
    Service,
    Tags,
    Upload,
    Uploads,
)
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import Refusal, Repository, Route, Target
from homeport.mirror.model.principal import Access, Action, Deny, Proof
from homeport.mirror.model.record import Outcome, Record
from homeport.mirror.policy.api import Policy
from homeport.mirror.policy.direct import is_direct
from homeport.mirror.pull.api import BlobReader, ManifestReader
from homeport.mirror.push.api import Writer
from homeport.oci.error_code import ErrorCode

Resolve = Callable[[str, str, str, str | None], Target | Refusal]
"""(listener, host, name, ns) → where it leads."""

_READS = ("GET", "HEAD")


class Flow:
    """The parts, and the order in which a request meets them. `replace` swaps what a reload
    changes; requests under way keep what they began with. `watch` sees every record."""

    def __init__(
        self,
        *,
        roles: dict[str, Role],
        resolve: Resolve,
        authenticator: Authenticator,
        policy: Policy,
        manifests: ManifestReader,
        blobs: BlobReader,
        writer: Writer,
        control: ControlService,
        audit: Audit | None,
        watch: Callable[[Record], None],
    ) -> None:
        self._roles = roles
        self._resolve = resolve
        self._authenticator = authenticator
        self._policy = policy
        self._manifests = manifests
        self._blobs = blobs
        self._writer = writer
        self._control = control
        self._audit = audit
        self._watch = watch

    def replace(
        self,
        *,
        roles: dict[str, Role],
        resolve: Resolve,
        authenticator: Authenticator,
        policy: Policy,
    ) -> None:
        self._roles, self._resolve = roles, resolve
        self._authenticator, self._policy = authenticator, policy

    async def handle(self, request: Request) -> Reply:
        """The answer; never raises `RegistryError`. What must be on record before the client hears
        of it (denials, pushes, deletes, administration) is, when this returns."""
        try:
            if self._audit is not None:
                await self._audit.room()
            reply = await self._serve(request)
        except RegistryError as error:
            # A listener for both roles has dockerd for a client, too.
            reply = failure(error, challenges=self._roles[request.listener] is Role.REGISTRY)
        if self._audit is not None and self._is_durable(request, reply):
            whole = isinstance(reply.body, bytes) and request.method != "HEAD"
            size = len(reply.body) if whole else 0  # type: ignore[arg-type]
            await self._audit.write_durably(_record(request, reply, sent=size, complete=True))
        return reply

    def finish(self, request: Request, reply: Reply, *, sent: int, complete: bool) -> None:
        """Called once the answer was sent, or cut (`complete` False)."""
        if isinstance(request.endpoint, Service) and request.endpoint is not Service.TOKEN:
            return
        record = _record(request, reply, sent=sent, complete=complete)
        self._watch(record)
        # Of an upload the end is on record, and whatever went wrong before.
        quiet = isinstance(request.endpoint, Base | Service) or (
            isinstance(request.endpoint, Upload | Uploads) and reply.status < 400
        )
        if self._audit is not None and not quiet and not self._is_durable(request, reply):
            self._audit.write(record)

    async def _serve(self, request: Request) -> Reply:
        endpoint = request.endpoint
        match endpoint:
            case Service.TOKEN:
                return await self._authenticator.token(request)
            case Service():
                return await self._control.service(request, endpoint)
            case _:
                await self._authenticate(request)
        match endpoint:
            case Base():
                return self._base(request)
            case Catalog():
                self._decide(request, Action.CATALOG)
                return await self._control.catalog(request, self._visible(request))
            case Control():
                return await self._control.control(request, endpoint, self._policy)
            case _:
                return await self._named(request, endpoint)

    async def _authenticate(self, request: Request) -> None:
        found = await self._authenticator.authenticate(request)
        if not isinstance(found, Rejected):
            request.principal = found
            return
        request.decision = Deny(rule="authentication", reason=found.reason)
        if found.retry_after is not None:
            raise RegistryError(
                ErrorCode.TOOMANYREQUESTS,
                found.reason,
                headers={"Retry-After": str(max(1, round(found.retry_after)))},
            )
        if found.unavailable:
            raise RegistryError(
                ErrorCode.UNAVAILABLE, found.reason, status=503, headers={"Retry-After": "5"}
            )
        challenge = self._authenticator.challenge(request, None)
        raise RegistryError(
            ErrorCode.UNAUTHORIZED, found.reason, headers={"WWW-Authenticate": challenge}
        )

    def _base(self, request: Request) -> Reply:
        """end-1. Clients take their way of authentication from this answer alone, so a registry
        listener asks for it here although anonymous users may pull (with a token for nobody)."""
        asks = self._roles[request.listener] is Role.REGISTRY and self._authenticator.enabled
        if asks and request.principal.proof is Proof.NONE:
            challenge = self._authenticator.challenge(request, None)
            raise RegistryError(
                ErrorCode.UNAUTHORIZED,
                "authentication required",
                headers={"WWW-Authenticate": challenge},
            )
        return Reply(status=200, headers={"Content-Type": "application/json"}, body=b"{}")

    async def _named(self, request: Request, endpoint: Named) -> Reply:
        target = self._target(request, endpoint)
        action = _action(request.method, endpoint)
        if action is not Action.PULL and self._roles[request.listener] is Role.DOCKER_MIRROR:
            reason = "a docker-mirror listener is for pulls alone; push to a registry listener"
            request.decision = Deny(rule="listener", reason=reason)
            raise RegistryError(ErrorCode.DENIED, reason)
        self._decide(request, action)
        if target.nonce is not None:
            return await self._control.canary(request, target, endpoint)
        if action is not Action.PULL:
            return await self._write(request, self._writable(target, endpoint), endpoint)
        match endpoint:
            case Manifests():
                held = self._manifests.held(request, target, endpoint)
                return held or await self._manifests.manifest(request, target, endpoint)
            case Blob():
                return await self._blobs.blob(request, target, endpoint)
            case Tags():
                return await self._manifests.tags(request, target, endpoint)
            case Referrers():
                return await self._manifests.referrers(request, target, endpoint)
            case Uploads() | Upload():
                raise RegistryError(ErrorCode.UNSUPPORTED, "uploads are written, not read")
            case _:
                assert_never(endpoint)

    async def _write(self, request: Request, target: Target, endpoint: Named) -> Reply:
        match endpoint:
            case Uploads():

                async def mountable(repository: Repository) -> bool:
                    return self._may_pull(request, repository) and self._is_in_scope(
                        request, repository
                    )

                return await self._writer.start_upload(
                    request, target, endpoint, mountable=mountable
                )
            case Upload():
                return await self._writer.upload(request, target, endpoint)
            case Manifests() if request.method == "PUT":
                return await self._writer.put_manifest(request, target, endpoint)
            case Manifests():
                return await self._writer.delete_manifest(request, target, endpoint)
            case Blob() if request.method == "DELETE":
                return await self._writer.delete_blob(request, target, endpoint)
            case _:
                raise RegistryError(ErrorCode.UNSUPPORTED, f"no {request.method} here")

    def _target(self, request: Request, endpoint: Named) -> Target:
        namespace = request.query.get("ns")
        found = self._resolve(request.listener, request.host, endpoint.name, namespace)
        if isinstance(found, Refusal):
            if not found.unknown_upstream:
                code = ErrorCode.NAME_INVALID if found.invalid else ErrorCode.NAME_UNKNOWN
                raise RegistryError(code, found.message)
            request.decision = Deny(rule="upstreams", reason=found.message)
            raise RegistryError(ErrorCode.DENIED, found.message)
        request.target = found
        return found

    def _writable(self, target: Target, endpoint: Named) -> Target:
        """Pushes go to local namespaces; to a mirrored repository only as its overlay of referrers,
        which `Writer.put_manifest` checks to have a subject."""
        if target.repository.is_local:
            return target
        if target.route is Route.DEFAULT or isinstance(endpoint, Tags | Referrers):
            raise RegistryError(
                ErrorCode.DENIED,
                f"{target.repository} is a mirror of its upstream; push to a local namespace",
            )
        return Target(
            repository=target.repository.overlay,
            asked=target.asked,
            route=target.route,
            namespace=target.namespace,
        )

    def _decide(self, request: Request, action: Action) -> None:
        endpoint, target, principal = request.endpoint, request.target, request.principal
        access = Access(
            principal=principal,
            action=action,
            address=request.address,
            listener=request.listener,
            repository=None if target is None else target.repository,
            reference=endpoint.reference if isinstance(endpoint, Manifests) else None,
            direct=action is Action.PULL or is_direct(request),
        )
        decision = self._policy.decide(access)
        what, word = _scope(action, target)
        if principal.scopes is not None and not isinstance(decision, Deny):
            granted = principal.scopes.get(what, frozenset())
            if ("*" if action is Action.CATALOG else action.value) not in granted:
                decision = Deny(rule="token", reason="the token has no such scope", login=True)
        request.decision = decision
        if not isinstance(decision, Deny):
            return
        if decision.login and self._authenticator.enabled:
            challenge = self._authenticator.challenge(request, f"{what}:{word}")
            raise RegistryError(
                ErrorCode.UNAUTHORIZED,
                decision.reason,
                headers={"WWW-Authenticate": challenge},
                detail={"rule": decision.rule},
            )
        raise RegistryError(ErrorCode.DENIED, decision.reason, detail={"rule": decision.rule})

    def _may_pull(self, request: Request, repository: Repository) -> bool:
        access = Access(
            principal=request.principal,
            action=Action.PULL,
            address=request.address,
            listener=request.listener,
            repository=repository,
        )
        return not isinstance(self._policy.decide(access), Deny)

    def _is_in_scope(self, request: Request, repository: Repository) -> bool:
        """Whether a token, if the request comes with one, was issued for pulling from here, under
        whatever name: a mount is a pull, too."""
        scopes = request.principal.scopes
        if scopes is None:
            return True
        for scope, actions in scopes.items():
            kind, _, name = scope.partition(":")
            if kind == "repository" and Action.PULL.value in actions:
                found = self._resolve(request.listener, request.host, name, None)
                if isinstance(found, Target) and found.repository == repository:
                    return True
        return False

    def _visible(self, request: Request) -> Callable[[Repository], bool]:
        return lambda repository: self._may_pull(request, repository)

    def _is_durable(self, request: Request, reply: Reply) -> bool:
        if isinstance(request.endpoint, Base | Service):
            return isinstance(request.decision, Deny)
        if isinstance(request.decision, Deny) or isinstance(request.endpoint, Control):
            return True
        stored = reply.status < 300 and reply.status not in (202, 204)
        deleted = request.method == "DELETE" and not isinstance(request.endpoint, Upload)
        return deleted or (request.method not in _READS and stored)


def _action(method: str, endpoint: Named) -> Action:
    if isinstance(endpoint, Uploads | Upload):
        return Action.PUSH
    if method in _READS:
        return Action.PULL
    return Action.DELETE if method == "DELETE" else Action.PUSH


def _scope(action: Action, target: Target | None) -> tuple[str, str]:
    """What a token must be good for, and the actions that one asks for (token specification of
    distribution: `repository:NAME:pull,push`, `registry:catalog:*`)."""
    if target is None:
        return "registry:catalog", "*"
    return f"repository:{target.asked}", "pull,push" if action is Action.PUSH else action.value


def _record(request: Request, reply: Reply, *, sent: int, complete: bool) -> Record:
    endpoint, target, decision = request.endpoint, request.target, request.decision
    outcome = reply.outcome or Outcome()
    denied = isinstance(decision, Deny)
    if isinstance(endpoint, Manifests):
        reference = endpoint.reference
    else:
        reference = getattr(endpoint, "digest", "")
    return Record(
        time=time.time(),
        request=request.id,
        listener=request.listener,
        action=_words(request),
        method=request.method,
        status=reply.status,
        address=request.address,
        principal=request.principal.name,
        proof=request.principal.proof.value,
        agent=request.headers.get("User-Agent", "")[:200],
        upstream="" if target is None else target.repository.upstream,
        repository="" if target is None else target.repository.name,
        asked=getattr(endpoint, "name", getattr(endpoint, "path", "")),
        reference=reference[:256],
        digest=outcome.digest or "",
        cache="" if outcome.cache is None else outcome.cache.value,
        sent=sent,
        received=_received(request, reply, outcome),
        allowed=not denied,
        rule="" if decision is None else decision.rule,
        reason=decision.reason if isinstance(decision, Deny) else (outcome.detail or ""),
        upstream_url=outcome.upstream_url or "",
        upstream_status=outcome.upstream_status or 0,
        duration=time.monotonic() - request.started,
        complete=complete,
    )


def _received(request: Request, reply: Reply, outcome: Outcome) -> int:
    """Bytes of what a push stored, in however many requests they came; else of this one's body, as
    announced. A mount brings none."""
    pushed = reply.status == 201 and "mount" not in request.query
    return outcome.size if pushed and outcome.size is not None else request.length or 0


def _words(request: Request) -> str:
    match request.endpoint:
        case Catalog() | Tags() | Referrers():
            return "list"
        case Control():
            return "admin"
        case Service():
            return "login"
        case Base():
            return "ping"
        case Manifests() | Blob() | Uploads() | Upload() as endpoint:
            return _action(request.method, endpoint).value
