"""Carry out one engine's plan without a journal: for tests of engines, where nothing is at stake.

The command line never does this; it goes through `apply`.
"""

from homeport.enroll.engines.api import EngineKind
from homeport.enroll.host import Host
from homeport.enroll.model import EnginePlan, FileChange, Finding
from homeport.enroll.writing import make_folders, remove_file, write_file


def apply_directly(host: Host, kind: EngineKind, plan: EnginePlan) -> tuple[Finding, ...]:
    """Write the files, have the engine take them up; what `confirm` finds."""
    for change in plan.changes:
        put(host, change, forward=True)
    kind.take_up(host, plan)
    return kind.confirm(host, plan)


def undo_directly(host: Host, kind: EngineKind, plan: EnginePlan) -> None:
    """Put the files back as they were before the plan."""
    kind.before_undo(host, plan.engine, plan.changes)
    for change in reversed(plan.changes):
        put(host, change, forward=False)


def put(host: Host, change: FileChange, *, forward: bool) -> None:
    """Bring the file to the state after the change, or before it."""
    state = change.after if forward else change.before
    if state is None:
        remove_file(host, change.path)
        return
    make_folders(host, change.path)
    write_file(host, change.path, state)
