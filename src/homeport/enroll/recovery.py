"""After a run that was killed: an undo is finished, an apply is put back."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Optional

from homeport.enroll.carrying import Passed, take_back, targets_of
from homeport.enroll.engines.api import EngineKind
from homeport.enroll.engines.kinds import find_kind
from homeport.enroll.formats.keyed import find_format
from homeport.enroll.host import Host
from homeport.enroll.journal import Journal, Record, Step, Target
from homeport.enroll.model import FileChange, FileState, Ownership
from homeport.enroll.threeway import undone


def resume(
    host: Host,
    *,
    find: Callable[[str], EngineKind] = find_kind,
    passed: Passed = lambda _: None,
) -> Optional[Step]:
    """Do, before a plan is made, what an interrupted run has left over; None: nothing."""
    journal = Journal(host)
    if journal.under_way() is None:
        return None
    with journal.locked():
        return recover(host, journal, find=find, passed=passed)


def recover(
    host: Host,
    journal: Journal,
    *,
    find: Callable[[str], EngineKind],
    passed: Passed,
    keep: Sequence[str] = (),
) -> Optional[Step]:
    """The step that had been interrupted, and is now put back or finished; None: there was none.
    Files of `keep` are left as they are.

    Raises ConflictError where somebody has changed our keys since; the journal is kept then.
    """
    step = journal.under_way()
    if step is None:
        return None
    if _is_over(journal, step):
        journal.end()
        return None
    changes = tuple(change for change in step.record.changes if change.path not in keep)
    record = replace(step.record, changes=changes)
    if step.action == "apply":
        # The first step of the way back is to write down where it leads.
        targets = targets_of(host, [_mended(host, change) for change in changes])
        journal.begin(replace(step, action="revert", record=record, targets=targets))
        passed("revert")
    else:
        known = {change.path: change for change in changes}
        targets = tuple(
            _aim(host, known[target.path], target)
            for target in step.targets
            if target.path in known
        )
    take_back(
        host,
        find(record.engine.kind),
        record,
        targets,
        passed,
        restart=record.request.allow_restart,
    )
    if step.action == "undo":
        journal.forget(record.engine.id)
        passed("forgotten")
    journal.end()
    return step


def _is_over(journal: Journal, step: Step) -> bool:
    """Whether all was done and recorded, and only the journal was still there."""
    kept: Optional[Record] = journal.record_of(step.record.engine.id)
    if step.action == "undo":
        return kept is None
    return step.action == "apply" and kept is not None and kept.time == step.record.time


def _mended(host: Host, change: FileChange) -> FileChange:
    """The change; for a file that was written in place and only in part, one that ends there."""
    current = host.state(change.path)
    if current and change.after and is_torn(current, change.before, change.after):
        return replace(change, after=replace(change.after, content=current.content))
    return change


def _aim(host: Host, change: FileChange, decided: Target) -> Target:
    """Where an interrupted way back leads now. Between what was seen and the target, the engine may
    have been cleared; or somebody has edited the file after the kill."""
    current = host.state(change.path)
    if current in (decided.target, decided.seen):
        return decided
    if current and decided.target and is_torn(current, decided.seen, decided.target):
        return decided
    target = undone(change, current, cleared=True)
    return (
        decided
        if _same_values(change, target, decided.target)
        else replace(decided, seen=current, target=target)
    )


def _same_values(change: FileChange, one: Optional[FileState], other: Optional[FileState]) -> bool:
    if one is None or other is None or change.ownership is Ownership.WHOLE:
        return one == other
    form = find_format(change.format)
    return form.get(one.content, change.path, ()) == form.get(other.content, change.path, ())


def is_torn(current: FileState, before: Optional[FileState], after: FileState) -> bool:
    """Whether a write in place was cut: the beginning of the new content, then the old one's (or
    the zeros of the room that was taken for it)."""
    if before is None:
        return False
    now, new, old = (
        state.content.encode("utf-8", "surrogateescape") for state in (current, after, before)
    )
    if len(now) != max(len(new), len(old)):
        return False
    old = old.ljust(len(now), b"\0")
    at = next(
        (at for at, (one, other) in enumerate(zip(now, new)) if one != other),
        min(len(now), len(new)),
    )
    return now[at:] == old[at:]
