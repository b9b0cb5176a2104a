"""Write a file so that its reader sees either the old one or the new one, never half of it.

A symbolic link stays, and what it points at is written. A file that is a mount point cannot be
replaced (EBUSY): its bytes are exchanged in place. Mode, owner, SELinux label, access list
and a user's attributes are kept.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from homeport.enroll.errors import MachineError
from homeport.enroll.host import Host
from homeport.enroll.model import FileState
from homeport.enroll.places import follow, opened

LABEL = "security.selinux"
ACL = "system.posix_acl_access"
TEMPORARY = ".homeport-new"
"""How the names of our temporary files end. Engines read every `*.conf` or `*.crt` of some folders:
what a killed run leaves there must not look like one."""


def write_file(host: Host, path: str, state: FileState) -> None:
    """Make the file, or replace it, and wait until it is on the disk. Folders must be there.
    Raises MachineError."""
    place = follow(host.at(path), path)
    try:
        with opened(place.parent) as folder:
            _replace(folder, place.name, state)
    except OSError as error:
        raise _explain(path, error) from None


def remove_file(host: Host, path: str) -> None:
    """Remove a file; of a symbolic link what it points at, as that is what was written. Nothing
    where there is none."""
    place = follow(host.at(path), path)
    try:
        with opened(place.parent) as folder:
            os.unlink(place.name, dir_fd=folder)
            os.fsync(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _explain(path, error) from None


def sweep(host: Host, path: str) -> None:
    """Remove what a killed run has left beside a file: half of it, perhaps with its secrets."""
    place = follow(host.at(path), path)
    try:
        with opened(place.parent) as folder:
            os.unlink(f".{place.name}{TEMPORARY}", dir_fd=folder)
            os.fsync(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _explain(path, error) from None


def make_folders(host: Host, path: str) -> tuple[str, ...]:
    """Make the folders above a file; those that were made, outermost first."""
    missing = missing_folders(host, path)
    try:
        for made in missing:
            place = follow(host.at(made), path)
            with opened(place.parent) as parent:
                _make_folder(parent, place.name, as_root=host.uid == 0)
    except OSError as error:
        raise _explain(missing[-1], error) from None
    return missing


def _make_folder(parent: int, name: str, *, as_root: bool) -> None:
    """As its neighbours are: engines of other users must be able to look into what root makes,
    whatever root's umask is; and a folder in somebody's home is his."""
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        return
    if as_root:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(name, flags, dir_fd=parent)
        try:
            os.fchmod(descriptor, 0o755)
            if os.geteuid() == 0:
                owner = os.fstat(parent)
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        finally:
            os.close(descriptor)
    os.fsync(parent)


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
    place = follow(host.at(path), path)
    try:
        with opened(place.parent) as parent:
            os.rmdir(place.name, dir_fd=parent)
            os.fsync(parent)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
            return
        raise _explain(path, error) from None


def sync_folder(folder: Path) -> None:
    """Make a rename or removal in it last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(folder: int, name: str, state: FileState) -> None:
    content = state.content.encode("utf-8", "surrogateescape")
    # Named by the file, so that the leftover of a killed run is overwritten by the next.
    temporary = f".{name}{TEMPORARY}"
    try:
        _write_new(folder, temporary, content, state, _attributes_of(folder, name))
        try:
            os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.EXDEV):
                raise
            _write_in_place(folder, name, content, state)
    finally:
        _unlink(folder, temporary)
    os.fsync(folder)


def _unlink(folder: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _write_new(
    folder: int, temporary: str, content: bytes, state: FileState, kept: "dict[str, bytes]"
) -> None:
    _unlink(folder, temporary)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        _dress(descriptor, state)
        new = _attributes(descriptor)
        for attribute, value in kept.items():
            if new.get(attribute) != value:
                os.setxattr(descriptor, attribute, value)
        os.fsync(descriptor)


def _write_in_place(folder: int, name: str, content: bytes, state: FileState) -> None:
    """Room first, then the bytes: a full disk must not leave half of the file."""
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=folder)
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


def _attributes_of(folder: int, name: str) -> "dict[str, bytes]":
    """What the file has and the new one shall have; a new file gets its folder's."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError:
        return {}
    try:
        return _attributes(descriptor)
    finally:
        os.close(descriptor)


def _attributes(descriptor: int) -> "dict[str, bytes]":
    """Those that are a file's own; not what the kernel keeps of its content (security.ima)."""
    if not hasattr(os, "listxattr"):
        return {}
    try:
        return {
            name: os.getxattr(descriptor, name)
            for name in os.listxattr(descriptor)
            if name in (LABEL, ACL) or name.startswith("user.")
        }
    except OSError:
        return {}


def _explain(path: str, error: OSError) -> MachineError:
    reason = error.strerror or str(error)
    hints = {
        errno.ENOSPC: "the disk is full; make room and try again",
        errno.EDQUOT: "the quota is used up; make room and try again",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "run it as the user who owns the file (sudo for the system's engines)",
        errno.ELOOP: "a link has come to stand there meanwhile; see who has made it",
        errno.ENOTDIR: "what should be a folder there is none",
        errno.EISDIR: "there is a folder in the place of the file; move it away",
        errno.EPERM: "run it as the user who owns the file (sudo for the system's engines); "
        "nor may root change one that is immutable (lsattr shows an i, chattr -i takes it away)",
    }
    return MachineError(f"cannot write {path}: {reason}", hint=hints.get(error.errno or 0, ""))
