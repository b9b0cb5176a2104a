"""What an earlier enrolment has made for registries that are no longer asked for.

Taken back by the record of it, as an undo does: a file or key that somebody has changed since
stays, and is said.
"""

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Optional

from homeport.enroll.engines.door import HUB, normalise
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.journal import Record
from homeport.enroll.model import (
    EnginePlan,
    FileChange,
    Finding,
    KeyChange,
    Ownership,
    Request,
)
from homeport.enroll.threeway import undo_keys, undone

_MIRRORS = "registry-mirrors"
"""Docker Hub's, in Docker's words: a daemon holds on to it until it is cleared, as undo does."""


def without_left_over(host: Host, record: Record, plan: EnginePlan, request: Request) -> EnginePlan:
    """The plan, which also takes back what is for registries that the record has and the request
    does not."""
    asked = set(map(normalise, request.registries))
    names = [name for name in map(normalise, record.request.registries) if name not in asked]
    if not names:
        return plan
    changes = {change.path: change for change in plan.changes}
    findings = []
    for made in record.changes:
        try:
            back = _taken_back(host, made, names, changes.get(made.path))
        except EnrollError as error:
            findings.append(_stays(error.message, error.place or made.path))
            continue
        if back is not None:
            changes[made.path] = back
    if HUB in names and any(key.path[-1] == _MIRRORS for key in _keys(record.changes)):
        words = f"{HUB} stays at the mirror: an engine gives it up by undo alone"
        findings.append(_stays(words, record.engine.config or ""))
    return replace(plan, changes=tuple(changes.values()), findings=(*plan.findings, *findings))


def _taken_back(
    host: Host, made: FileChange, names: Sequence[str], planned: Optional[FileChange]
) -> Optional[FileChange]:
    """The change of one file, with what is planned for it; None: there is nothing to take back.
    Raises ConflictError."""
    if made.ownership is Ownership.WHOLE:
        if planned is not None or made.after is None or not _is_of(made.path, names):
            return None
        current = host.state(made.path)
        target = undone(made, current)
        why = f"{posixpath.basename(posixpath.dirname(made.path))} is no longer asked for"
        return (
            None
            if target == current
            else FileChange(made.path, current, target, Ownership.WHOLE, why)
        )
    keys = tuple(key for key in made.keys if any(name in key.path for name in names))
    before = planned.before if planned else host.state(made.path)
    after = planned.after if planned else before
    if not keys or after is None:
        return None
    content = undo_keys(replace(made, keys=keys), after.content)
    if content == after.content:
        return None
    back = tuple(KeyChange(key.path, key.has, key.after, key.had, key.before) for key in keys)
    why = planned.why if planned else f"{', '.join(names)} is no longer asked for"
    return FileChange(
        made.path,
        before,
        replace(after, content=content),
        Ownership.KEYS,
        why,
        made.format,
        (*(planned.keys if planned else ()), *back),
    )


def _is_of(path: str, names: Iterable[str]) -> bool:
    """Whether it is the hosts.toml of one of these; a port's folder may be written `HOST_PORT_`."""
    folder, _, file = path.rpartition("/")
    name = posixpath.basename(folder)
    return file == "hosts.toml" and any(
        name in (each, f"{each.replace(':', '_')}_") for each in names
    )


def _keys(changes: Iterable[FileChange]) -> "list[KeyChange]":
    return [key for change in changes for key in change.keys]


def _stays(words: str, place: str) -> Finding:
    return Finding(
        "left-over", words, "name the registry as well, or undo first", place, severity="warning"
    )
