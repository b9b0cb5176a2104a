"""What enrolment remembers of a machine: what it has changed, and what it is just doing.

In the state folder (0700, as the files that we keep copies of may hold secrets):

    lock           held by the one run that changes something; holds its process id
    records.json   what we have changed, by engine: everything that undo needs
    journal.json   the step under way, on the disk before it is taken; no file: none
"""

import contextlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

from homeport.enroll.errors import ConflictError, EnrollError, MachineError
from homeport.enroll.host import Host
from homeport.enroll.model import Effect, Engine, FileChange, FileState, Request
from homeport.enroll.plain import from_plain, to_plain
from homeport.enroll.writing import sync_folder

VERSION = 1
_RECORDS = "records.json"
_JOURNAL = "journal.json"
_LOCK = "lock"


@dataclass(frozen=True)
class Record:
    """One engine that is enrolled. `changes` lead from before the first enrolment to now;
    `folders` are those that we made, outermost first. `pending`: the files are written, but the
    engine has not read them, as it must be restarted for it."""

    engine: Engine
    request: Request
    changes: tuple[FileChange, ...]
    effect: Effect
    folders: tuple[str, ...] = ()
    pending: bool = False
    time: float = 0.0


@dataclass(frozen=True)
class Target:
    """What an undo brings a file to; `seen` is what was there when that was decided."""

    path: str
    seen: Optional[FileState]
    target: Optional[FileState]


@dataclass(frozen=True)
class Step:
    """What the journal holds: one engine's `apply`, the `revert` of that, or its `undo`. The last
    two say where each file is brought to."""

    action: str
    record: Record
    targets: tuple[Target, ...] = ()


def state_folder(host: Host) -> str:
    """Root's is the machine's; a user has one for what is his."""
    if host.uid == 0:
        # Not below /var/lib/homeport: that is the mirror's, whose user is not root.
        return "/var/lib/homeport-enroll"
    home = host.env.get("XDG_STATE_HOME") or f"{host.home}/.local/state"
    return f"{home}/homeport/enroll"


class Journal:
    """The state folder of a machine. Everything that changes it happens in `locked`."""

    def __init__(self, host: Host) -> None:
        self.path = state_folder(host)
        self._folder = host.at(self.path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Raises ConflictError with the process id of another run."""
        import fcntl

        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_folder()
            descriptor = os.open(
                self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as error:
            raise self._explain(error) from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                raise ConflictError(
                    f"another homeport enroll is at work here (process {holder or 'unknown'})",
                    hint="wait for its end, and try again",
                ) from None
            # Who it is, is only told to others: a full disk is noticed by the journal.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def records(self) -> tuple[Record, ...]:
        """In the order in which the engines were enrolled."""
        data = self._read(_RECORDS)
        if data is None:
            return ()
        entries = data.get("records")
        if not isinstance(entries, list):
            raise self._broken(_RECORDS)
        try:
            return tuple(from_plain(Record, entry) for entry in entries)
        except EnrollError:
            raise self._broken(_RECORDS) from None

    def record_of(self, engine: str) -> Optional[Record]:
        return next((entry for entry in self.records() if entry.engine.id == engine), None)

    def keep(self, record: Record) -> None:
        """Add a record, or put it in the place of the engine's older one."""
        found = list(self.records())
        ids = [entry.engine.id for entry in found]
        if record.engine.id in ids:
            found[ids.index(record.engine.id)] = record
        else:
            found.append(record)
        self._write(found)

    def forget(self, engine: str) -> None:
        self._write([entry for entry in self.records() if entry.engine.id != engine])

    def leave_files(self, record: Record, paths: Sequence[str]) -> None:
        """Leave files of an engine to their owner as they are."""
        changes = tuple(change for change in record.changes if change.path not in paths)
        if changes:
            self.keep(replace(record, changes=changes))
        else:
            self.forget(record.engine.id)

    def begin(self, step: Step) -> None:
        """Say what is about to be done. It is on the disk when this returns."""
        self._put(_JOURNAL, {"version": VERSION, "step": to_plain(step)})

    def end(self) -> None:
        """Nothing is under way any more."""
        try:
            (self._folder / _JOURNAL).unlink(missing_ok=True)
            sync_folder(self._folder)
        except OSError as error:
            raise self._explain(error) from None

    def under_way(self) -> Optional[Step]:
        """The step that a killed run has begun and not ended."""
        data = self._read(_JOURNAL)
        if data is None:
            return None
        try:
            return from_plain(Step, data.get("step"))
        except EnrollError:
            raise self._broken(_JOURNAL) from None

    def _write(self, records: Sequence[Record]) -> None:
        self._put(_RECORDS, {"version": VERSION, "records": [to_plain(entry) for entry in records]})

    def _read(self, name: str) -> "Optional[dict[str, Any]]":
        try:
            with open(self._folder / name, "rb", opener=_open_own) as file:
                data = json.loads(file.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._explain(error) from None
        except (ValueError, RecursionError):
            raise self._broken(name) from None
        version = data.get("version") if isinstance(data, dict) else None
        if type(version) is int and version > VERSION:
            raise EnrollError(
                f"{self.path}/{name} is of a newer homeport than this one",
                hint="use that version here: this one might undo too little",
            )
        if version != VERSION:
            raise self._broken(name)
        return dict(data)

    def _put(self, name: str, data: "dict[str, Any]") -> None:
        """Exchange a file whole: whenever a run is killed, either the old or the new one is there.
        What is there is on the disk when this returns."""
        temporary = self._folder / f"{name}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(temporary, flags, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(data, indent=1).encode())
                file.flush()
                os.fsync(descriptor)
            temporary.replace(self._folder / name)
            sync_folder(self._folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise self._explain(error) from None

    def _check_folder(self) -> None:
        """What stands here decides what root writes elsewhere: nobody else may write here."""
        me = os.geteuid()
        found = self._folder.lstat()
        above = self._folder.parent.stat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != me or found.st_mode & 0o022:
            raise self._open_to_others(self.path)
        sticky = above.st_mode & stat.S_ISVTX
        if above.st_uid not in (0, me) or (above.st_mode & 0o002 and not sticky):
            raise self._open_to_others(os.path.dirname(self.path))  # noqa: PTH120
        if found.st_mode & 0o077:
            self._folder.chmod(0o700)

    def _open_to_others(self, path: str) -> EnrollError:
        return EnrollError(
            f"{path} may be changed by others than this user, so that it is not believed",
            hint=f"see who has written to {self.path}, then make it this user's alone (chmod 700)",
        )

    def _broken(self, name: str) -> EnrollError:
        return EnrollError(
            f"{self.path}/{name} is damaged",
            hint="it says what homeport has changed here; restore it from a backup, or look at it "
            "and the files that it names, undo them by hand and remove it",
        )

    def _explain(self, error: OSError) -> MachineError:
        return MachineError(
            f"cannot use {self.path}: {error.strerror}",
            hint="homeport keeps there what it needs for undo",
        )


def _open_own(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
