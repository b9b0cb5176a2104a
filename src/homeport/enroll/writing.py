"""Write a file so that its reader sees either the old one or the new one, never half of it.

A symbolic link stays, and what it points at is written. A file that is a mount point cannot be
replaced (EBUSY): its bytes are exchanged in place. Mode, owner and SELinux label are kept.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Optional

from homeport.enroll.errors import MachineError
from homeport.enroll.host import Host
from homeport.enroll.model import FileState

LABEL = "security.selinux"
TEMPORARY = ".homeport-new"
"""How the names of our temporary files end. Engines read every `*.conf` or `*.crt` of some folders:
what a killed run leaves there must not look like one."""


def write_file(host: Host, path: str, state: FileState) -> None:
    """Make the file, or replace it, and wait until it is on the disk. Folders must be there.
    Raises MachineError."""
    place = Path(os.path.realpath(host.at(path)))
    try:
        _replace(place, state)
    except OSError as error:
        raise _explain(path, error) from None


def remove_file(host: Host, path: str) -> None:
    """Remove a file; of a symbolic link what it points at, as that is what was written. Nothing
    where there is none."""
    place = Path(os.path.realpath(host.at(path)))
    try:
        place.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _explain(path, error) from None
    sync_folder(place.parent)


def make_folders(host: Host, path: str) -> tuple[str, ...]:
    """Make the folders above a file; those that were made, outermost first."""
    missing = missing_folders(host, path)
    try:
        for made in missing:
            _make_folder(host, host.at(made))
    except OSError as error:
        raise _explain(missing[-1], error) from None
    return missing


def _make_folder(host: Host, place: Path) -> None:
    """As its neighbours are: engines of other users must be able to look into what root makes,
    whatever root's umask is; and a folder in somebody's home is his."""
    place.mkdir(mode=0o755, exist_ok=True)
    if host.uid == 0:
        place.chmod(0o755)
        owner = place.parent.stat()
        if os.geteuid() == 0:
            os.chown(place, owner.st_uid, owner.st_gid)
    sync_folder(place.parent)


def missing_folders(host: Host, path: str) -> tuple[str, ...]:
    """The folders that `make_folders` would make, outermost first."""
    missing: list[str] = []
    folder = os.path.dirname(path)  # noqa: PTH120
    while folder not in ("/", "") and not host.at(folder).is_dir():
        missing.insert(0, folder)
        folder = os.path.dirname(folder)  # noqa: PTH120
    return tuple(missing)


def remove_folder(host: Host, path: str) -> None:
    """Remove a folder if it is empty."""
    place = host.at(path)
    try:
        place.rmdir()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
            return
        raise _explain(path, error) from None
    sync_folder(place.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename or removal in it last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(place: Path, state: FileState) -> None:
    content = state.content.encode("utf-8", "surrogateescape")
    label = _label(place)
    # Named by the file, so that the leftover of a killed run is overwritten by the next.
    temporary = place.with_name(f".{place.name}{TEMPORARY}")
    try:
        _write_new(temporary, content, state, label)
        try:
            temporary.replace(place)
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.EXDEV):
                raise
            _write_in_place(place, content, state)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(place.parent)


def _write_new(temporary: Path, content: bytes, state: FileState, label: Optional[bytes]) -> None:
    temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        _dress(descriptor, state)
        if label is not None and _label(temporary) != label:
            os.setxattr(descriptor, LABEL, label)
        os.fsync(descriptor)


def _write_in_place(place: Path, content: bytes, state: FileState) -> None:
    """Room first, then the bytes: a full disk must not leave half of the file."""
    descriptor = os.open(place, os.O_WRONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "wb") as file:  # of a descriptor, this does not truncate
        size = os.fstat(descriptor).st_size
        if len(content) > size:
            _take_room(descriptor, size, len(content))
        file.write(content)
        file.flush()
        file.truncate(len(content))
        _dress(descriptor, state)
        os.fsync(descriptor)


def _take_room(descriptor: int, size: int, wanted: int) -> None:
    fallocate = getattr(os, "posix_fallocate", None)
    if fallocate is None:
        return
    try:
        fallocate(descriptor, 0, wanted)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _dress(descriptor: int, state: FileState) -> None:
    """The owner first: a change of it clears the set-id bits of the mode."""
    found = os.fstat(descriptor)
    if (found.st_uid, found.st_gid) != (state.uid, state.gid):
        os.fchown(descriptor, state.uid, state.gid)
    if stat.S_IMODE(found.st_mode) != state.mode:
        os.fchmod(descriptor, state.mode)


def _label(place: Path) -> Optional[bytes]:
    """The file's SELinux label, where there is one to keep; a new file gets its folder's."""
    getxattr = getattr(os, "getxattr", None)
    if getxattr is None:
        return None
    try:
        return bytes(getxattr(place, LABEL))
    except OSError:
        return None


def _explain(path: str, error: OSError) -> MachineError:
    reason = error.strerror or str(error)
    hints = {
        errno.ENOSPC: "the disk is full; make room and try again",
        errno.EDQUOT: "the quota is used up; make room and try again",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "run it as the user who owns the file (sudo for the system's engines)",
        errno.EPERM: "run it as the user who owns the file (sudo for the system's engines)",
    }
    return MachineError(f"cannot write {path}: {reason}", hint=hints.get(error.errno or 0, ""))
