"""What is common to engines that homeport's tests have no real one of: files are edited, and what
no file can say is told. Nothing is pulled through them, so nothing is proven.
"""

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from homeport.enroll.engines.door import Door, file_state
from homeport.enroll.errors import CannotPullError, EngineError
from homeport.enroll.formats.keyed import find_format
from homeport.enroll.host import Host
from homeport.enroll.model import (
    Effect,
    Engine,
    EnginePlan,
    FileChange,
    Finding,
    KeyChange,
    Limit,
    Mode,
    Ownership,
    Pull,
    Request,
)

CA_NAME = "homeport-ca.crt"
Edit = tuple[tuple[str, ...], Any]
"""The way to a key, and what it shall be."""


class Rendered:
    """The half of an `EngineKind` that such engines share."""

    name = ""

    def take_up(self, host: Host, plan: EnginePlan) -> None:
        if plan.effect is not Effect.RESTART or not plan.command:
            return
        done = host.run(*plan.command, limit=300.0)
        if done.status:
            words = f"{plan.engine.title} was not restarted by {' '.join(plan.command)}"
            raise EngineError(words, said=done.err.strip())

    def confirm(self, host: Host, plan: EnginePlan) -> tuple[Finding, ...]:
        """Whether each file is as planned; the engine itself is not asked."""
        findings = []
        for change in plan.changes:
            state = host.state(change.path)
            if (state and state.content) != (change.after and change.after.content):
                words = f"{change.path} is not as planned"
                findings.append(Finding("not-taken-up", words, severity="error"))
        return tuple(findings)

    def before_undo(self, host: Host, engine: Engine, changes: Sequence[FileChange]) -> None:
        return None

    def pull(self, host: Host, engine: Engine, reference: str) -> Pull:
        raise CannotPullError(f"homeport pulls nothing through {engine.title}")

    def remove(self, host: Host, engine: Engine, reference: str) -> None:
        return None

    def enrolled(self, host: Host, engine: Engine) -> Mapping[str, Sequence[str]]:
        return {}


def edit_keys(
    host: Host, path: str, form: str, edits: Sequence[Edit], why: str, *, start: str = ""
) -> tuple[FileChange, ...]:
    """One change of a file that is the user's, or none; `start` is a new file's first text. Raises
    BrokenFileError for a file that its engine would not read."""
    path = host.real(path)
    before = host.state(path)
    text = start if before is None else before.content
    keyed = find_format(form)
    keys = []
    for way, value in edits:
        had, old = keyed.get(text, path, way)
        if had and old == value and type(old) is type(value):
            continue
        text = keyed.set(text, path, way, value)
        keys.append(KeyChange(way, had, old, True, value))
    if not keys:
        return ()
    after = file_state(host, text, before)
    return (FileChange(path, before, after, Ownership.KEYS, why, form, tuple(keys)),)


def whole_file(host: Host, path: str, content: str, why: str) -> tuple[FileChange, ...]:
    before = host.state(path)
    if before is not None and before.content == content:
        return ()
    return (FileChange(path, before, file_state(host, content, before), Ownership.WHOLE, why),)


def authority_of(
    host: Host, request: Request, doors: Sequence[Door], folder: str
) -> tuple[Optional[str], tuple[FileChange, ...]]:
    """Where the mirror's CA lies for this engine, and the change that puts it there."""
    if request.mirror.ca is None or all(door.plain for door in doors):
        return None, ()
    path = posixpath.join(folder, CA_NAME)
    return path, whole_file(host, path, request.mirror.ca, "the mirror's CA")


def read_key(host: Host, path: str, form: str, way: Sequence[str]) -> Any:
    """None where there is no file or key. Raises BrokenFileError."""
    text = host.text(path)
    return None if text is None else find_format(form).get(text, path, way)[1]


def prepended(first: str, found: Any) -> "list[Any]":
    """A list with `first` at its head; what stands there else keeps its order."""
    old = found if isinstance(found, list) else []
    return [first, *(entry for entry in old if entry != first)]


def only_limit(request: Request, engine: str, hint: str = "") -> tuple[Limit, ...]:
    """ONLY, where the engine goes on to the registry itself."""
    if request.mode is not Mode.ONLY:
        return ()
    why = f"{engine} asks the registry itself where the mirror fails"
    hint = hint or "block the way out on the network"
    return (Limit("keep to the mirror alone", why, hint),)


def inside_findings(base: str, where: str) -> tuple[Finding, ...]:
    """A mirror on this machine's loopback is another machine's nothing."""
    host = base.partition("://")[2].rpartition("@")[2]
    if not host.startswith(("127.", "localhost", "[::1]")):
        return ()
    words = f"{base} is {where} itself there, not this machine"
    hint = "give the mirror an address that other machines reach"
    return (Finding("loopback", words, hint, severity="warning"),)
