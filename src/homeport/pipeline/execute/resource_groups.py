"""Resource groups across all runs of this user: a held file lock each, which the system lets go of
when the process dies.

    $XDG_STATE_HOME/homeport/resource-groups/<project and group, hashed>

A group is its project's, as on GitLab, in whatever checkout that runs. The file says who has it.
"""

import fcntl
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from homeport.errors import MissingError
from homeport.pipeline.execute.slots import Group

FOLDER = "resource-groups"
_MAX_HOLDER = 64 * 1024


class Holder(Struct, frozen=True, kw_only=True):
    """Which job of which run has a group; `state` is the state folder of the repository."""

    run: str
    state: str
    root: str
    job: str


class ResourceGroups:
    """The groups that one run has; `state` is the state folder of its repository.

    `bury(state, run)` ends what a run left that was killed while it had a group: its job may go on.
    To be used by one thread at a time.
    """

    def __init__(
        self, state: Path, *, run: str, root: str, bury: Callable[[Path, str], None]
    ) -> None:
        self._folder = state.parent / FOLDER
        self._state = str(state)
        self._run = run
        self._root = root
        self._bury = bury
        self._held: dict[Group, int] = {}

    def take(self, group: Group, job: str) -> bool:
        """Whether the job has the group now. Raises `MissingError` where no lock can be made."""
        path = self._path(group)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = try_lock(path)
            if file is None:
                return False
            dead = _read(file)
            if dead is not None:
                self._bury(Path(dead.state), dead.run)
            mine = Holder(run=self._run, state=self._state, root=self._root, job=job)
            # Not atomic: who reads a part of it does not know the holder, and that is all.
            os.ftruncate(file, 0)
            os.pwrite(file, msgspec.json.encode(mine), 0)
        except OSError as error:
            raise MissingError.of(
                f"{job} cannot have its resource group {group.name}: "
                f"{error.filename or path}: {error.strerror}",
                code="state",
                hint="make room or set XDG_STATE_HOME to a folder where homeport may write",
            ) from error
        self._held[group] = file
        return True

    def give(self, group: Group) -> None:
        """Let go of a group; the file stays, since somebody may wait for it."""
        file = self._held.pop(group, -1)
        if file >= 0:
            os.ftruncate(file, 0)
            os.close(file)

    def holder(self, group: Group) -> str:
        """The words for who has a group that could not be taken."""
        try:
            with self._path(group).open("rb") as file:
                holder = _read(file.fileno())
        except OSError:
            holder = None
        if holder is None:
            return "another run"
        return f"{holder.job} of run {holder.run} in {holder.root}"

    def _path(self, group: Group) -> Path:
        name = f"{group.project}\0{group.name}".encode("utf-8", "surrogateescape")
        return self._folder / sha256(name).hexdigest()[:32]


def _read(file: int) -> Holder | None:
    try:
        return msgspec.json.decode(os.pread(file, _MAX_HOLDER, 0), type=Holder)
    except msgspec.MsgspecError:
        return None


def try_lock(path: Path) -> int | None:
    """The open file at `path`, locked; None while somebody else has it. Raises OSError."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(path.stat(), os.fstat(file)):
                return file
        except BlockingIOError:
            os.close(file)
            return None
        except FileNotFoundError:
            pass  # `homeport clean` has just removed it
        except OSError:
            os.close(file)
            raise
        os.close(file)
