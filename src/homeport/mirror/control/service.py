"""Health, metrics, status, usage, explain, canaries and the catalog, behind one object."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from homeport.mirror.control.canary import Canaries
from homeport.mirror.control.catalog import catalog
from homeport.mirror.control.explanation import Question, Resolve, explain
from homeport.mirror.control.introduction import introduction
from homeport.mirror.control.jobs import Jobs, Work
from homeport.mirror.control.metrics import CONTENT_TYPE, Metrics
from homeport.mirror.control.recent import Recent
from homeport.mirror.errors import RegistryError
from homeport.mirror.model.config import MirrorConfig, Role
from homeport.mirror.model.endpoint import Control as ControlEndpoint
from homeport.mirror.model.endpoint import Named, Service
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import Repository, Target
from homeport.mirror.model.principal import Access, Action, Allow, Deny
from homeport.mirror.policy.api import Policy
from homeport.mirror.policy.direct import is_direct
from homeport.mirror.policy.networks import is_local, member_bits, parse_network
from homeport.mirror.policy.rules import RulePolicy
from homeport.mirror.store.api import Blobs, Metadata, StoreError
from homeport.mirror.upstream.api import Upstream
from homeport.oci.error_code import ErrorCode
from homeport.oci.media_type import JSON

Task = Callable[[Mapping[str, str]], Awaitable[Any]]
"""An act of administration by POST: parameters → plain data."""

JobOf = Callable[[Mapping[str, str]], Work]
"""A long one: parameters → what is to be done, while `GET job/NAME` tells how far it is."""


class ControlService:
    """`mirror/control/api.Control`. `tasks` are acts by name (`collect`, `purge`), `jobs` long ones
    (`verify`), `facts` numbers for status and metrics that other parts know, `about` more for
    status, `groups_of` the groups that are known of a name without a login, `ready` the reason why
    it is not, or None."""

    def __init__(
        self,
        *,
        config: Callable[[], MirrorConfig],
        resolve: Callable[[], Resolve],
        policy: Callable[[], RulePolicy],
        metadata: Metadata,
        blobs: Blobs,
        upstreams: Callable[[], Mapping[str, Upstream]],
        facts: Callable[[], Mapping[str, float]],
        ready: Callable[[], str | None],
        tasks: Mapping[str, Task],
        jobs: Mapping[str, JobOf] = {},
        about: Callable[[], Mapping[str, Any]] = dict,
        groups_of: Callable[[str], tuple[str, ...]] = lambda _: (),
        version: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._resolve = resolve
        self._policy = policy
        self._metadata = metadata
        self._blobs = blobs
        self._upstreams = upstreams
        self._facts = facts
        self._ready = ready
        self._tasks = tasks
        self._job_of = jobs
        self._about = about
        self._groups_of = groups_of
        self._version = version
        self._clock = clock
        self._began = clock()
        self.recent = Recent()
        self.jobs = Jobs(clock)
        self.canaries = Canaries(clock)
        self.metrics = Metrics(
            states=lambda: [upstream.state() for upstream in upstreams().values()], gauges=facts
        )

    async def service(self, request: Request, service: Service) -> Reply:
        if request.method not in ("GET", "HEAD"):
            raise RegistryError(ErrorCode.UNSUPPORTED, f"no {request.method} here")
        if service is Service.METRICS:
            self._let_scrape(request)
            self.metrics.usage = await self._blobs.usage()
            return Reply(
                status=200, headers={"Content-Type": CONTENT_TYPE}, body=self.metrics.page()
            )
        reason = self._ready() if service is Service.READY else None
        body = {"status": "ok"} if reason is None else {"status": "not ready", "reason": reason}
        return _json(body, status=200 if reason is None else 503)

    def _let_scrape(self, request: Request) -> None:
        """This machine, and the networks that are named: counts tell what a company runs."""
        networks = [parse_network(text) for text in self._config().metrics_from]
        if member_bits(request.address, networks):
            return
        if not (is_local(request.address) and is_direct(request)):
            raise RegistryError(
                ErrorCode.DENIED, f"mirror.metrics_from does not name {request.address}", status=403
            )

    async def catalog(self, request: Request, visible: Callable[[Repository], bool]) -> Reply:
        config = self._config()
        role = next(
            (entry.role for entry in config.listeners if entry.name == request.listener),
            Role.REGISTRY,
        )
        only = config.default_upstream if role is Role.DOCKER_MIRROR else None
        return await catalog(request, self._metadata, visible, upstream=only)

    async def canary(self, request: Request, target: Target, endpoint: Named) -> Reply:
        return self.canaries.serve(request, target, endpoint)

    async def control(self, request: Request, endpoint: ControlEndpoint, policy: Policy) -> Reply:
        word, _, rest = endpoint.path.strip("/").partition("/")
        for_anybody = self._for_anybody(request, word, rest, policy)
        if for_anybody is not None:
            return for_anybody
        _decide(request, policy)
        if request.method == "POST":
            return await self._act(word, rest, request.query)
        if request.method not in ("GET", "HEAD"):
            raise RegistryError(ErrorCode.UNSUPPORTED, f"no {request.method} here")
        return _json(await self._look(word, rest, request.query))

    async def _look(self, word: str, rest: str, query: Mapping[str, str]) -> Any:
        match word:
            case "job" if (job := self.jobs.of(rest)) is not None:
                return job
            case "status":
                return await self._status()
            case "usage":
                return await self._usage()
            case "explain":
                return await self._explain(query)
            case _:
                raise _unknown(f"{word}/{rest}" if rest else word)

    async def _act(self, word: str, rest: str, query: Mapping[str, str]) -> Reply:
        if not rest and word in self._job_of:
            return _json(self.jobs.start(word, self._job_of[word](query)), status=202)
        task = self._tasks.get(word)
        if task is None or rest:
            raise _unknown(f"{word}/{rest}" if rest else word)
        try:
            return _json(await task(query))
        except StoreError as error:
            # Administrators may read what is for the log elsewhere.
            raise RegistryError(ErrorCode.UNAVAILABLE, str(error), status=503) from error

    async def close(self) -> None:
        await self.jobs.close()

    def _for_anybody(self, request: Request, word: str, rest: str, policy: Policy) -> Reply | None:
        """What needs no administrator: canaries, and both doors for a machine that enrolls."""
        if word == "canary" and rest:
            return self._canary_seen(request, rest, policy)
        if word == "about" and not rest and request.method in ("GET", "HEAD"):
            request.decision = Allow(rule="about")
            return _json(introduction(self._config().listeners, request, self._version))
        return None

    def _canary_seen(self, request: Request, nonce: str, policy: Policy) -> Reply:
        """For who proved who they are, for administrators, and for the address that pulled it: the
        nonce itself is something that only the enrolling machine knows."""
        seen = self.canaries.seen(nonce)
        own = any(entry.address == request.address for entry in seen)
        if request.principal.is_anonymous and not own:
            _decide(request, policy)
        request.decision = Allow(rule="canary")
        return _json({"nonce": nonce, "seen": [msgspec.to_builtins(entry) for entry in seen]})

    async def _status(self) -> dict[str, Any]:
        usage = await self._blobs.usage()
        return {
            "version": self._version,
            "uptime_seconds": round(self._clock() - self._began, 1),
            "ready": self._ready() or "yes",
            "store": msgspec.to_builtins(usage),
            "numbers": dict(self._facts()),
            **self._about(),
            "upstreams": [
                msgspec.to_builtins(upstream.state()) for upstream in self._upstreams().values()
            ],
        }

    async def _usage(self) -> dict[str, Any]:
        config = self._config()
        usage = await self._blobs.usage()
        namespaces = {
            name: {
                "bytes": await self._metadata.size_of("local", name),
                "quota": namespace.quota,
            }
            for name, namespace in config.namespaces.items()
        }
        upstreams = {}
        for name, upstream in self._upstreams().items():
            quota = upstream.state().quota
            upstreams[name] = {
                "bytes": await self._metadata.size_of(name, ""),
                "rate_limit": None if quota is None else msgspec.to_builtins(quota),
            }
        return {
            "store": msgspec.to_builtins(usage) | {"quota": config.store.quota},
            "namespaces": namespaces,
            "upstreams": upstreams,
        }

    async def _explain(self, query: Mapping[str, str]) -> dict[str, Any]:
        named = {name: text for name, text in query.items() if name in Question.__struct_fields__}
        if not named.get("image") and not named.get("name"):
            raise RegistryError(ErrorCode.NAME_INVALID, "image is missing")
        groups = tuple(filter(None, named.pop("groups", "").split(",")))
        groups += self._groups_of(named.get("principal", ""))
        question = msgspec.convert({**named, "groups": groups}, Question)
        config = self._config()
        if question.listener and question.listener not in {x.name for x in config.listeners}:
            raise RegistryError(ErrorCode.NAME_UNKNOWN, "no such listener")
        try:
            return await explain(
                question,
                config=config,
                resolve=self._resolve(),
                policy=self._policy(),
                metadata=self._metadata,
                states={name: upstream.state() for name, upstream in self._upstreams().items()},
                recent=self.recent,
                now=self._clock(),
            )
        except ValueError as error:
            raise RegistryError(ErrorCode.NAME_INVALID, str(error)) from None


def _decide(request: Request, policy: Policy) -> None:
    access = Access(
        principal=request.principal,
        action=Action.ADMIN,
        address=request.address,
        listener=request.listener,
        direct=is_direct(request),
    )
    request.decision = decision = policy.decide(access)
    if isinstance(decision, Deny):
        raise RegistryError(ErrorCode.DENIED, decision.reason, detail={"rule": decision.rule})


def _unknown(path: str) -> RegistryError:
    return RegistryError(ErrorCode.UNSUPPORTED, f"there is no /_homeport/{path[:64]}", status=404)


def _json(value: Any, *, status: int = 200) -> Reply:
    return Reply(status=status, headers={"Content-Type": JSON}, body=msgspec.json.encode(value))
