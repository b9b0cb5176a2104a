"""Take enrolment back: engine by engine, key by key, and never over what somebody has changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from homeport.enroll.carrying import Passed, take_back, targets_of
from homeport.enroll.engines.api import EngineKind
from homeport.enroll.engines.kinds import find_kind
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.journal import Journal, Step
from homeport.enroll.model import FileState, Finding
from homeport.enroll.recovery import recover


@dataclass(frozen=True)
class Undone:
    """One engine that is as it was before. `files` were put back or removed."""

    engine: str
    title: str
    files: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


def undo(
    host: Host,
    *,
    engines: Sequence[str] = (),
    keep: Sequence[str] = (),
    allow_restart: bool = False,
    find: Callable[[str], EngineKind] = find_kind,
    passed: Passed = lambda _: None,
) -> tuple[Undone, ...]:
    """Undo the enrolment of these kinds or ids of engines, of all where none is named. Files of
    `keep` are left as they are, and forgotten.

    Raises ConflictError where our keys were changed since: with all of them, and nothing is changed
    anywhere.
    """
    journal = Journal(host)
    with journal.locked():
        passed("locked")
        finished = recover(host, journal, find=find, passed=passed, keep=keep)
        for path in keep:
            if not journal.forget_file(path) and not _was_in(finished, path):
                raise EnrollError(f"{path} is no file that homeport has changed")
        chosen = [
            record
            for record in journal.records()
            if not engines or record.engine.kind in engines or record.engine.id in engines
        ]
        view: dict[str, Optional[FileState]] = {}
        ways = [(record, targets_of(host, record.changes, view)) for record in reversed(chosen)]
        done = [_resumed(finished)] if finished is not None else []
        for record, targets in ways:
            wanted = replace(record.request, allow_restart=allow_restart)
            step = Step("undo", replace(record, request=wanted), targets)
            done.append(_undo_one(host, journal, step, find(record.engine.kind), passed))
        return tuple(done)


def _undo_one(host: Host, journal: Journal, step: Step, kind: EngineKind, passed: Passed) -> Undone:
    record = step.record
    journal.begin(step)
    passed("journal")
    restart = record.request.allow_restart
    findings = take_back(host, kind, record, step.targets, passed, restart=restart)
    journal.forget(record.engine.id)
    passed("forgotten")
    journal.end()
    passed("end")
    files = tuple(target.path for target in step.targets)
    return Undone(record.engine.id, record.engine.title, files, findings)


def _was_in(step: Optional[Step], path: str) -> bool:
    return step is not None and any(change.path == path for change in step.record.changes)


def _resumed(step: Step) -> Undone:
    record = step.record
    finding = Finding(
        code="resumed",
        message=f"an interrupted {step.action} of {record.engine.title} was put back first",
    )
    files = tuple(change.path for change in record.changes)
    return Undone(record.engine.id, record.engine.title, files, (finding,))
