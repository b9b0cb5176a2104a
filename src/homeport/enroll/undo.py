"""Take enrolment back: engine by engine, key by key, and never over what somebody has changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from homeport.enroll.carrying import Passed, take_back, targets_of
from homeport.enroll.engines.api import EngineKind
from homeport.enroll.engines.kinds import find_kind
from homeport.enroll.errors import BrokenFileError, EnrollError
from homeport.enroll.formats.keyed import find_format
from homeport.enroll.host import Host
from homeport.enroll.journal import Journal, Record, Step
from homeport.enroll.model import FileChange, FileState, Finding, KeyChange, Ownership
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
        records = journal.records()
        for path in keep:
            if not any(_has(record, path) for record in records) and not _was_in(finished, path):
                raise EnrollError(f"{path} is no file that homeport has changed")
        chosen = []
        for record in records:
            if not engines or record.engine.kind in engines or record.engine.id in engines:
                chosen.append(replace(record, changes=_kept(host, record.changes, keep)))
            elif any(_has(record, path) for path in keep):
                journal.leave_files(record, keep)
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
    findings = take_back(host, kind, record, step.targets, passed, restart=restart, fresh=True)
    journal.forget(record.engine.id)
    passed("forgotten")
    journal.end()
    passed("end")
    files = tuple(target.path for target in step.targets if target.seen != target.target)
    return Undone(record.engine.id, record.engine.title, files, findings)


def _has(record: Record, path: str) -> bool:
    return any(change.path == path for change in record.changes)


def _kept(host: Host, changes: Sequence[FileChange], keep: Sequence[str]) -> tuple[FileChange, ...]:
    """The changes, with files of `keep` leading back to what they are now. Out of the engine our
    change is cleared all the same: what it holds outlives the key in its file."""
    found = []
    for change in changes:
        if change.path not in keep:
            found.append(change)
            continue
        current = host.state(change.path)
        try:
            found.append(replace(change, before=current, keys=_as_now(change, current)))
        except BrokenFileError:
            continue  # nor could the engine read it
    return tuple(found)


def _as_now(change: FileChange, current: Optional[FileState]) -> tuple[KeyChange, ...]:
    if change.ownership is Ownership.WHOLE:
        return ()
    form = find_format(change.format)
    now = [
        form.get(current.content, change.path, key.path) if current else (False, None)
        for key in change.keys
    ]
    return tuple(replace(key, had=has, before=value) for key, (has, value) in zip(change.keys, now))


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
