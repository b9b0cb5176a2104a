"""The whole way of each command, on one machine: for the command line and for the zipapp."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from homeport.enroll.apply import Result, apply
from homeport.enroll.engines.api import EngineKind
from homeport.enroll.engines.kinds import find_kind, find_kinds
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.journal import Journal
from homeport.enroll.left_over import without_left_over
from homeport.enroll.model import Engine, EnrollPlan, Finding, Request
from homeport.enroll.plan import detect, make_plan
from homeport.enroll.probe import Probe, probe
from homeport.enroll.recovery import resume
from homeport.enroll.verify import Proof, verify

Ask = Callable[..., Probe]

PATHLESS = ("docker", "colima", "orbstack", "minikube")
"""Kinds that use Docker's `registry-mirrors`, which takes no path."""


@dataclass(frozen=True)
class Planned:
    probe: Probe
    plan: EnrollPlan


@dataclass(frozen=True)
class Enrolled:
    """What `enroll` has done; `resumed` what it found interrupted and put back before."""

    probe: Probe
    plan: EnrollPlan
    results: tuple[Result, ...]
    resumed: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        return all(result.ok for result in self.results)


def plan_enrolment(
    host: Host,
    request: Request,
    *,
    kinds: Optional[Sequence[EngineKind]] = None,
    ask: Ask = probe,
) -> Planned:
    """Ask the mirror, look at the machine; nothing is changed. Raises EnrollError."""
    find_kinds({name.partition(":")[0] for name in request.engines} if kinds is None else ())
    docker = not request.engines or any(
        name.partition(":")[0] in PATHLESS for name in request.engines
    )
    found = ask(request.mirror, host.env, docker=docker)
    plan = make_plan(host, replace(request, mirror=found.mirror), kinds)
    records = {record.engine.id: record for record in Journal(host).records()}
    engines = tuple(
        without_left_over(host, records[one.engine.id], one, request)
        if one.engine.id in records
        else one
        for one in plan.engines
    )
    return Planned(found, replace(plan, engines=engines))


def asked_for(host: Host, request: Request, *, ask: Ask = probe) -> Request:
    """The request with what the mirror says of itself."""
    return replace(request, mirror=ask(request.mirror, host.env, docker=False).mirror)


def enroll(
    host: Host,
    request: Request,
    *,
    kinds: Optional[Sequence[EngineKind]] = None,
    find: Callable[[str], EngineKind] = find_kind,
    ask: Ask = probe,
) -> Enrolled:
    """Put right what an interrupted run has left, ask the mirror, plan, and carry that out."""
    step = resume(host, find=find)
    resumed: tuple[Finding, ...] = ()
    if step is not None:
        message = f"an interrupted {step.action} of {step.record.engine.title} was put right first"
        resumed = (Finding(code="resumed", message=message),)
    planned = plan_enrolment(host, request, kinds=kinds, ask=ask)
    results = apply(host, planned.plan, find=find)
    return Enrolled(planned.probe, planned.plan, results, resumed)


def remembered(host: Host) -> Optional[Request]:
    """The request of the latest enrolment here."""
    records = sorted(Journal(host).records(), key=lambda record: record.time)
    return records[-1].request if records else None


def prove(
    host: Host,
    request: Optional[Request] = None,
    engines: Sequence[str] = (),
    *,
    kinds: Optional[Sequence[EngineKind]] = None,
    find: Callable[[str], EngineKind] = find_kind,
) -> tuple[Proof, ...]:
    """Pull canaries through the engines that are enrolled, or through those that are named.
    `request` None: that of each engine's own enrolment."""
    records = {record.engine.id: record for record in Journal(host).records()}
    here: tuple[Engine, ...] = detect(host, engines, kinds)
    proofs: list[Proof] = []
    for engine in here:
        record = records.get(engine.id)
        if record is None and not engines and not _shares(engine, records):
            continue
        wanted = request or (record.request if record else remembered(host))
        if wanted is None:
            raise EnrollError(
                "nothing is enrolled here", hint="say which mirror by --mirror, or enroll first"
            )
        proofs += verify(host, wanted, (engine,), find=find)
    if not proofs:
        raise EnrollError("nothing is enrolled here", hint="homeport enroll apply --mirror URL")
    return tuple(proofs)


def _shares(engine: Engine, records: Iterable[str]) -> bool:
    """Whether it reads files that another engine's enrolment has written (podman and buildah)."""
    family = ("podman", "buildah", "skopeo", "crio")
    return engine.kind in family and any(name.partition(":")[0] in family for name in records)
