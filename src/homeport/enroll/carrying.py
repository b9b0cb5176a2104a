"""Bring one engine's files to another state and have the engine take it up, or back again.

Every step can be repeated: after a kill, the same call finishes what was begun.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Optional

from homeport.enroll.engines.api import EngineKind
from homeport.enroll.errors import ConflictError, EnrollError
from homeport.enroll.formats.keyed import find_format
from homeport.enroll.host import Host
from homeport.enroll.journal import Record, Target
from homeport.enroll.model import Effect, EnginePlan, FileChange, FileState, Finding, Ownership
from homeport.enroll.threeway import turned_round, undone
from homeport.enroll.writing import make_folders, remove_file, remove_folder, sweep, write_file

Passed = Callable[[str], None]
"""Told the name of each step that is over; tests stop there."""


def unchanged(host: Host, change: FileChange) -> None:
    """Raises ConflictError where the file is no longer what the plan was made for."""
    if host.state(change.path) != change.before:
        raise ConflictError(
            "the file was changed after the plan was made; nothing is changed",
            hint="plan again",
            place=f"{change.path}:1:1",
        )


def valid(change: FileChange) -> None:
    """Raises BrokenFileError before a text is written that its engine would not read."""
    if change.after is not None and change.ownership is Ownership.KEYS:
        form = find_format(change.format)
        for key in change.keys:
            if form.get(change.after.content, change.path, key.path)[0] != key.has:
                raise EnrollError(f"the plan of {change.path} does not do what it says")


def write_changes(
    host: Host, changes: Sequence[FileChange], folders: Sequence[str], passed: Passed
) -> None:
    """Bring each file to its state after; each is read again. Of `folders`, which we made, goes
    what a removed file was the last in: an empty one may mean something to its engine."""
    for change in changes:
        if change.after is None:
            remove_file(host, change.path)
            folder = change.path.rpartition("/")[0]
            if folder in folders:
                remove_folder(host, folder)
        else:
            make_folders(host, change.path)
            passed(f"folders {change.path}")
            write_file(host, change.path, change.after)
        found = host.state(change.path)
        if found != change.after:
            raise EnrollError(f"{change.path} is not what was written to it")
        passed(f"write {change.path}")


def targets_of(
    host: Host,
    changes: Sequence[FileChange],
    view: "Optional[dict[str, Optional[FileState]]]" = None,
) -> tuple[Target, ...]:
    """What undoing these changes makes of each file. `view` has files as they will be by then, and
    is brought on. Raises ConflictError with all that stand in the way."""
    view = {} if view is None else view
    found = []
    problems = []
    for change in reversed(changes):
        current = view[change.path] if change.path in view else host.state(change.path)
        try:
            target = undone(change, current)
        except ConflictError as error:
            problems.append(error)
            continue
        view[change.path] = target
        found.append(Target(change.path, current, target))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ConflictError("; ".join(str(error) for error in problems), hint=problems[0].hint)
    return tuple(found)


def take_back(
    host: Host,
    kind: EngineKind,
    record: Record,
    targets: Sequence[Target],
    passed: Passed,
    *,
    restart: bool,
    fresh: bool = False,
) -> tuple[Finding, ...]:
    """Clear the engine, put the files back, and have it read them; what went otherwise than hoped.
    `fresh`: nobody has begun with it yet.

    The files are put back whatever the engine says: with them it starts as it did before us.
    """
    findings = []
    # With all files in place, an earlier run has cleared the engine; or it never knew of us.
    # A fresh undo clears it in any case: its owner may have put back the files, and the engine
    # still holds what stands in none of them.
    begun = fresh or any(host.state(target.path) != target.target for target in targets)
    if begun and record.effect is not Effect.RECREATE:
        try:
            kind.before_undo(host, record.engine, record.changes)
        except EnrollError as error:
            findings.append(_still_held(record, error))
        passed("cleared")
    for target in targets:
        sweep(host, target.path)
        if target.target is None:
            remove_file(host, target.path)
        elif host.state(target.path) != target.target:
            make_folders(host, target.path)
            write_file(host, target.path, target.target)
        passed(f"back {target.path}")
    for folder in reversed(record.folders):
        remove_folder(host, folder)
        passed(f"folder {folder}")
    if not findings:
        findings += _take_up_back(host, kind, record, targets, restart=restart)
        passed("taken up")
    return tuple(findings)


def _take_up_back(
    host: Host, kind: EngineKind, record: Record, targets: Sequence[Target], *, restart: bool
) -> "list[Finding]":
    if record.effect is Effect.RECREATE or record.pending:
        return []
    if record.effect is Effect.RESTART and not restart:
        return [
            Finding(
                code="restart-needed",
                message=f"{record.engine.title} goes on with what it holds until it is restarted",
                hint="restart it when that suits you, or undo with --allow-restart",
                severity="warning",
            )
        ]
    if record.effect is not Effect.RESTART and all(one.target is None for one in targets):
        return []
    ends = {one.path: one.target for one in targets}
    back = tuple(
        replace(change, after=ends[change.path])
        for change in turned_round(record.changes)
        if change.path in ends
    )
    try:
        kind.take_up(host, EnginePlan(engine=record.engine, changes=back, effect=record.effect))
    except EnrollError as error:
        return [_still_held(record, error)]
    return []


def _still_held(record: Record, error: EnrollError) -> Finding:
    return Finding(
        code="engine-holds-on",
        message=f"{record.engine.title} did not give up the mirror: {error.message}",
        hint=error.hint or "its files are as they were; it follows them when it is next started",
        severity="warning",
    )
