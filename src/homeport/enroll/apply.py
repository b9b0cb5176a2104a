"""Carry out a plan: one engine after the other, each of them wholly or not at all.

Of each engine the journal first says what will be done (with every byte that is needed to go
back); then the files are written, the engine takes them up, and what it then holds is compared with
the plan. If anything is not as planned, the engine's files are put back and it reads them again. A
run that is killed leaves a journal, from which the next one puts that engine back.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from homeport.enroll.carrying import (
    Passed,
    take_back,
    targets_of,
    unchanged,
    valid,
    write_changes,
)
from homeport.enroll.engines.api import EngineKind
from homeport.enroll.engines.kinds import find_kind
from homeport.enroll.errors import EngineError, EnrollError
from homeport.enroll.host import Host
from homeport.enroll.journal import Journal, Record, Step
from homeport.enroll.model import Effect, EnginePlan, EnrollPlan, FileChange, Finding, Request
from homeport.enroll.plan import fault
from homeport.enroll.recovery import recover
from homeport.enroll.threeway import merged
from homeport.enroll.writing import missing_folders

FindKind = Callable[[str], EngineKind]

UNCHANGED = "unchanged"
DONE = "done"
PENDING = "pending"
REVERTED = "reverted"
STUCK = "stuck"
REFUSED = "refused"


@dataclass(frozen=True)
class Result:
    """What became of one engine. `state`: `unchanged` (it was as planned), `done`, `pending` (the
    files are there, a restart by its owner is missing), `reverted` (it refused, all is as it was),
    `stuck` (nor could it be put back: the next run tries again), `refused` (nothing was begun)."""

    engine: str
    title: str
    state: str
    findings: tuple[Finding, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.state in (UNCHANGED, DONE, PENDING)


def apply(
    host: Host,
    plan: EnrollPlan,
    *,
    find: FindKind = find_kind,
    clock: Callable[[], float] = time.time,
    passed: Passed = lambda _: None,
) -> tuple[Result, ...]:
    """Carry out a plan that was made of this machine; one result for each of its engines.

    Raises ConflictError where a file is no longer what the plan was made for, or another run is at
    work; nothing is changed then.
    """
    journal = Journal(host)
    with journal.locked():
        passed("locked")
        recover(host, journal, find=find, passed=passed)
        for engine in plan.engines:
            for change in engine.changes:
                unchanged(host, change)
        work = _Work(host, journal, plan.request, clock, passed)
        return tuple([work.engine(find(engine.engine.kind), engine) for engine in plan.engines])


class _Work:
    def __init__(
        self,
        host: Host,
        journal: Journal,
        request: Request,
        clock: Callable[[], float],
        passed: Passed,
    ) -> None:
        self._host = host
        self._journal = journal
        self._request = request
        self._clock = clock
        self._passed = passed
        self._written: set[str] = set()

    def engine(self, kind: EngineKind, plan: EnginePlan) -> Result:
        """Wholly, or not at all."""
        if any(change.path in self._written for change in plan.changes):
            # An engine before this one shares a file with it: what is left to do?
            plan = kind.plan(self._host, plan.engine, self._request)
        if not plan.changes:
            faults = tuple(found for found in plan.findings if found.severity == "error")
            return _result(plan, REFUSED, faults) if faults else self._restart(kind, plan)
        if not plan.engine.writable:
            known = tuple(found for found in plan.engine.findings if found.severity == "error")
            return _result(plan, REFUSED, known or (_not_ours(self._host, plan),))
        try:
            for change in plan.changes:
                valid(change)
                unchanged(self._host, change)
            step, record = self._begin(plan)
        except EnrollError as error:
            return _result(plan, REFUSED, (fault(error),))
        self._passed("journal")
        try:
            write_changes(self._host, plan.changes, record.folders, self._passed)
            findings = self._take_up(kind, plan, waits=step.record.pending)
            self._journal.keep(record)
            self._passed("record")
        except EnrollError as error:
            back = self._revert(kind, step)
            stuck = any(found.code == "not-reverted" for found in back)
            return _result(plan, STUCK if stuck else REVERTED, (fault(error), *back))
        except BaseException:
            # An interrupt, or a defect of ours: the machine is not left half changed.
            self._revert(kind, step)
            raise
        self._journal.end()
        self._passed("end")
        self._written.update(change.path for change in plan.changes)
        return _result(plan, PENDING if record.pending else DONE, findings)

    def _begin(self, plan: EnginePlan) -> "tuple[Step, Record]":
        """What is done now, in the journal; and the record of the engine when it is done."""
        folders: dict[str, None] = {}
        for change in plan.changes:
            if change.after is not None:
                folders.update(dict.fromkeys(missing_folders(self._host, change.path)))
        now = Record(
            engine=plan.engine,
            request=self._request,
            changes=plan.changes,
            effect=plan.effect,
            folders=tuple(folders),
            pending=plan.effect is Effect.RECREATE
            or (plan.effect is Effect.RESTART and not self._request.allow_restart),
            time=self._clock(),
        )
        before = self._journal.record_of(plan.engine.id)
        record = now if before is None else _joined(before, now)
        if self._journal.under_way() is not None:
            raise EnrollError("an engine before this one could not be put back: no more is changed")
        step = Step(action="apply", record=now)
        self._journal.begin(step)
        return step, record

    def _restart(self, kind: EngineKind, plan: EnginePlan) -> Result:
        """Nothing is to be written; but an earlier run may have left the restart to its owner."""
        record = self._journal.record_of(plan.engine.id)
        if record is None:
            return _result(plan, UNCHANGED, ())
        record = self._asked_anew(record)
        if not record.pending:
            return _result(plan, UNCHANGED, ())
        if record.effect is not Effect.RESTART or not self._request.allow_restart:
            return _result(plan, PENDING, (_waits(plan, record.effect),))
        whole = replace(plan, changes=record.changes, effect=record.effect)
        try:
            self._take_up(kind, whole, waits=False)
            self._journal.keep(replace(record, pending=False))
        except EnrollError as error:
            return _result(plan, REFUSED, (fault(error),))
        return _result(plan, DONE, ())

    def _asked_anew(self, record: Record) -> Record:
        """The record with what is asked for now: no file is to be changed for it, but what
        `verify` and the next `apply` go by is."""
        asked = replace(self._request, allow_restart=record.request.allow_restart)
        if asked == record.request:
            return record
        record = replace(record, request=asked)
        self._journal.keep(record)
        return record

    def _take_up(self, kind: EngineKind, plan: EnginePlan, *, waits: bool) -> "tuple[Finding, ...]":
        if waits:
            return (_waits(plan, plan.effect),)
        kind.take_up(self._host, plan)
        self._passed("taken up")
        findings = kind.confirm(self._host, plan)
        if findings:
            said = "; ".join(finding.message for finding in findings)
            raise EngineError(f"{plan.engine.title} does not hold what was planned: {said}")
        self._passed("confirmed")
        return ()

    def _revert(self, kind: EngineKind, step: Step) -> "tuple[Finding, ...]":
        """Put one engine back as it was before this run."""
        record = step.record
        restart = self._request.allow_restart
        try:
            targets = targets_of(self._host, record.changes)
            self._journal.begin(replace(step, action="revert", targets=targets))
            self._passed("revert")
            found = take_back(self._host, kind, record, targets, self._passed, restart=restart)
            self._journal.end()
        except EnrollError as error:
            return (
                fault(error),
                Finding(
                    code="not-reverted",
                    message=f"{record.engine.title} could not be put back whole",
                    hint="homeport enroll undo tries again, and says what stands in the way",
                    severity="error",
                ),
            )
        return found


def _waits(plan: EnginePlan, effect: Effect) -> Finding:
    when = "made anew" if effect is Effect.RECREATE else "next started"
    return Finding(
        code=f"{effect.value}-needed",
        message=f"{plan.engine.title} follows its files when it is {when}",
        hint=" ".join(plan.command)
        or "apply with --allow-restart, or restart it when that suits you",
        severity="warning",
    )


def _not_ours(host: Host, plan: EnginePlan) -> Finding:
    hint = "run it with sudo for the system's engines"
    if host.uid == 0:
        hint = "its file system is mounted read-only, or its folder does not let even root write"
    return Finding(
        code="not-writable",
        message=f"this user may not write {plan.changes[0].path}",
        hint=hint,
        severity="error",
    )


def _joined(old: Record, new: Record) -> Record:
    """One record of two enrolments of an engine."""
    changes: Mapping[str, FileChange] = {change.path: change for change in old.changes}
    joined = dict(changes)
    for change in new.changes:
        earlier = joined.get(change.path)
        joined[change.path] = change if earlier is None else merged(earlier, change)
    order = (Effect.NOTHING, Effect.RELOAD, Effect.RESTART, Effect.RECREATE)
    return replace(
        new,
        # What is again as it was before us is nobody's to take back.
        changes=tuple(change for change in joined.values() if change.before != change.after),
        effect=max(old.effect, new.effect, key=order.index),
        folders=tuple(dict.fromkeys((*old.folders, *new.folders))),
        pending=old.pending or new.pending,
    )


def _result(engine: EnginePlan, state: str, findings: "Sequence[Finding]") -> Result:
    return Result(
        engine=engine.engine.id,
        title=engine.engine.title,
        state=state,
        findings=tuple(findings),
        files=tuple(change.path for change in engine.changes),
    )
