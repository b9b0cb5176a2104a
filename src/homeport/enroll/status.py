"""Who is enrolled here, and whether that is still so."""

from collections.abc import Callable
from dataclasses import dataclass

from homeport.enroll.engines.api import EngineKind
from homeport.enroll.engines.kinds import find_kind
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.journal import Journal, Record
from homeport.enroll.model import Engine, FileChange, Finding
from homeport.enroll.plan import fault

ENROLLED = "enrolled"
DRIFTED = "drifted"
PENDING = "pending"
GONE = "gone"


@dataclass(frozen=True)
class Status:
    """`state`: `enrolled`; `drifted` (its files or what it holds are no longer as planned, `drift`
    leads back); `pending` (waits for a restart by its owner); `gone` (no longer on this machine).
    `record` is what undo goes by."""

    engine: str
    title: str
    state: str
    record: Record
    drift: tuple[FileChange, ...] = ()
    findings: tuple[Finding, ...] = ()


def status(
    host: Host, *, find: Callable[[str], EngineKind] = find_kind
) -> tuple[tuple[Status, ...], tuple[Finding, ...]]:
    """Each engine that is enrolled; and what is to be known besides. Nothing is changed."""
    journal = Journal(host)
    step = journal.under_way()
    besides: tuple[Finding, ...] = ()
    if step is not None:
        besides = (
            Finding(
                code="interrupted",
                message=f"an {step.action} of {step.record.engine.title} has not come to its end",
                hint="it may still be at work; if not, the next apply or undo puts it right",
                severity="warning",
            ),
        )
    return tuple(_status(host, record, find) for record in journal.records()), besides


def _status(host: Host, record: Record, find: Callable[[str], EngineKind]) -> Status:
    engine = record.engine
    try:
        kind = find(engine.kind)
        now = [found for found in kind.detect(host) if found.id == engine.id]
        if not now:
            return Status(engine.id, engine.title, GONE, record)
        plan = kind.plan(host, now[0], record.request)
        mirrors = kind.enrolled(host, now[0])
    except EnrollError as error:
        return Status(engine.id, engine.title, DRIFTED, record, findings=(fault(error),))
    if plan.changes:
        return Status(engine.id, engine.title, DRIFTED, record, plan.changes, plan.findings)
    if record.pending:
        return Status(engine.id, engine.title, PENDING, record, findings=plan.findings)
    if _forgot(record, now[0], mirrors):
        lost = Finding(
            code="not-held",
            message=f"{engine.title} has its files, but holds no mirror",
            hint="reload or restart it",
            severity="warning",
        )
        return Status(engine.id, engine.title, DRIFTED, record, findings=(*plan.findings, lost))
    return Status(engine.id, engine.title, ENROLLED, record, findings=plan.findings)


def _forgot(record: Record, engine: Engine, mirrors: object) -> bool:
    """Whether an engine that was enrolled and runs says that it has no mirror at all."""
    return bool(record.changes) and engine.running and not mirrors
