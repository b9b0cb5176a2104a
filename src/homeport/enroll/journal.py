"""What enrolment remembers of a machine: what it has changed, and what it is just doing.

In the state folder (0700, as the files that we keep copies of may hold secrets):

    lock           held by the one run that changes something; holds its process id
    records.json   what we have changed, by engine: everything that undo needs
    journal.json   the step under way, on the disk before it is taken; no file: none
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Optional

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
        return "/var/lib/homeport/enroll"
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
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def records(self) -> tuple[Record, ...]:
        """In the order in which the engines were enrolled."""
        place = self._folder / _RECORDS
        try:
            data = json.loads(place.read_bytes())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._explain(error) from None
        except ValueError:
            raise self._broken(_RECORDS) from None
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise self._broken(_RECORDS)
        return tuple(from_plain(Record, entry) for entry in data.get("records", ()))

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

    def forget_file(self, path: str) -> bool:
        """Leave a file to its owner as it is; whether it was ours."""
        found = self.records()
        kept = [
            replace(entry, changes=tuple(item for item in entry.changes if item.path != path))
            for entry in found
        ]
        if kept == list(found):
            return False
        self._write([entry for entry in kept if entry.changes])
        return True

    def begin(self, step: Step) -> None:
        """Say what is about to be done. It is on the disk when this returns."""
        line = json.dumps(to_plain(step)).encode() + b"\n"
        place = self._folder / _JOURNAL
        try:
            self._put(_JOURNAL, line)
            sync_folder(self._folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                place.unlink()
            raise self._explain(error) from None

    def end(self) -> None:
        """Nothing is under way any more."""
        try:
            (self._folder / _JOURNAL).unlink(missing_ok=True)
            sync_folder(self._folder)
        except OSError as error:
            raise self._explain(error) from None

    def under_way(self) -> Optional[Step]:
        """The step that a killed run has begun and not ended. Of one that is not written to its
        end, nothing has been done yet."""
        try:
            data = (self._folder / _JOURNAL).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._explain(error) from None
        if not data.endswith(b"\n"):
            return None
        try:
            return from_plain(Step, json.loads(data))
        except ValueError:
            raise self._broken(_JOURNAL) from None

    def _write(self, records: Sequence[Record]) -> None:
        data = {"version": VERSION, "records": [to_plain(entry) for entry in records]}
        temporary = f"{_RECORDS}.new"
        try:
            self._put(temporary, json.dumps(data, indent=1).encode())
            (self._folder / temporary).replace(self._folder / _RECORDS)
            sync_folder(self._folder)
        except OSError as error:
            raise self._explain(error) from None

    def _put(self, name: str, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._folder / name, flags, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)

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
