"""Removal of all that runs ever made on this machine for this user, and of nothing else.

Only what has homeport's own names is removed: the known files of the state folders, the caches,
and what an engine keeps under homeport's labels with this machine's name and this user's state
folder. What enrolment remembers stays, since undo needs it. A run whose lock is held is not
touched, nor the caches that it may use.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from homeport.engine.api import Engine, Marked
from homeport.pipeline.execute.container import RUN_LABEL, STATE_LABEL
from homeport.pipeline.execute.id_tokens import KEY_FILE
from homeport.pipeline.execute.objects import Objects
from homeport.pipeline.execute.resource_groups import FOLDER, try_lock
from homeport.pipeline.execute.state import (
    OBJECTS,
    bury,
    is_live,
    live_runs,
    locked,
    run_ids,
    size_of,
)
from homeport.pipeline.execute.workspace import remove

_KEPT = frozenset({"enroll"})
"""Folders of other parts of homeport beside the repositories' state."""
_INCLUDES = "includes"


class Removed(Struct, frozen=True, kw_only=True):
    """Something that was removed, or would be: `kind` is `run`, `workspace`, `cache`, `includes`,
    `key`, `container`, `network` or `volume`; `size` its bytes, where they are known."""

    kind: str
    name: str
    size: int | None = None


class Cleaning:
    """One removal; with `dry` nothing is changed. `kept` are live runs, as their folders."""

    def __init__(self, state: Path, caches: Path, *, dry: bool) -> None:
        self._state = state
        self._caches = caches
        self._dry = dry
        self.kept: list[str] = []

    def engine(self, engine: Engine, machine: str) -> Iterator[Removed]:
        """What the engine keeps of this user's runs on `machine`; may raise `EngineError`.

        The locks are looked at after the engine, so that no run that begins meanwhile is taken for
        a dead one.
        """
        for one in engine.marked(STATE_LABEL):
            if not self._is_ours(one, machine):
                continue
            if not self._dry:
                _remove_marked(engine, one)
            yield Removed(kind=one.kind, name=one.name)

    def state(self) -> Iterator[Removed]:
        """Runs and what killed ones left, in every state folder."""
        for folder in _folders(self._state):
            if folder.name in _KEPT or not _is_state(folder):
                continue
            if self._dry:
                yield from self._runs(folder)
                continue
            with locked(folder / "lock") as is_there:
                if not is_there:
                    continue
                yield from self._runs(folder)
                if not live_runs(folder):
                    _remove_empty(folder)
        key = self._state / KEY_FILE
        if key.is_file() and not self._any_live():
            if not self._dry:
                key.unlink()
            yield Removed(kind="key", name=str(key))
        if not self._dry:
            _remove_locks(self._state / FOLDER)
            _remove_folder(self._state)

    def caches(self) -> Iterator[Removed]:
        """The jobs' caches of repositories without a live run, and includes from elsewhere."""
        for folder in _folders(self._caches):
            if folder.name == _INCLUDES:
                if not self._any_live():
                    yield self._remove("includes", folder)
            elif (folder / "cache").is_dir() and not live_runs(self._state / folder.name):
                yield self._remove("cache", folder / "cache")
                if not self._dry:
                    _remove_folder(folder)
        if not self._dry:
            _remove_folder(self._caches)

    def _is_ours(self, one: Marked, machine: str) -> bool:
        state = one.labels.get(STATE_LABEL, "")
        if not state.startswith(f"{machine}:{self._state}/"):
            return False
        run = one.labels.get(RUN_LABEL, "")
        if not run or "/" in run:
            return bool(run)
        return not is_live(f"{state.removeprefix(f'{machine}:')}/runs/{run}")

    def _runs(self, folder: Path) -> Iterator[Removed]:
        seen: set[int] = set()  # what artifacts of several runs have in common counts once
        for run in run_ids(folder):
            path = folder / "runs" / run
            if is_live(str(path)):
                self.kept.append(str(path))
                continue
            if not self._dry:
                bury(folder, run)
            yield self._remove("run", path, seen)
        for build in _folders(folder / "builds"):
            if not is_live(f"{folder}/runs/{build.name}"):
                yield self._remove("workspace", build)
        if not self._dry:
            Objects(folder / OBJECTS).prune()

    def _remove(self, kind: str, path: Path, seen: set[int] | None = None) -> Removed:
        size = size_of(path, seen)
        if not self._dry:
            remove(os.fspath(path))
        return Removed(kind=kind, name=str(path), size=size)

    def _any_live(self) -> bool:
        return any(live_runs(folder) for folder in _folders(self._state))


def _remove_marked(engine: Engine, one: Marked) -> None:
    if one.kind == "container":
        engine.remove(one.id)
    elif one.kind == "network":
        engine.remove_network(one.id)
    else:
        engine.remove_volume(one.id)


def _remove_locks(folder: Path) -> None:
    """The resource groups that nobody has. Who waits for one that was here makes it again."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        lock = try_lock(path)
        if lock is not None:
            path.unlink()
            os.close(lock)
    _remove_folder(folder)


def _is_state(folder: Path) -> bool:
    return (folder / "runs").is_dir() or (folder / "builds").is_dir()


def _folders(folder: Path) -> list[Path]:
    """The real folders in a folder; a link would lead elsewhere."""
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in found if path.is_dir() and not path.is_symlink()]


def _remove_empty(folder: Path) -> None:
    """The folders of a state that has no run any more, unless somebody put something there."""
    for name in ("runs", "builds"):
        _remove_folder(folder / name)
    for shard in _folders(folder / OBJECTS):
        _remove_folder(shard)
    _remove_folder(folder / OBJECTS)
    if sorted(path.name for path in folder.iterdir()) == ["lock"]:
        (folder / "lock").unlink()
        _remove_folder(folder)


def _remove_folder(folder: Path) -> None:
    with suppress(OSError):  # what is in it is not ours
        folder.rmdir()
